# A check with a threshold of the data owner, which the node puts into the environment.

require.rows <- function(rows, what = "this database") {
    text <- Sys.getenv("DISCLOSURE_MINIMUM_ROWS", "3")
    least <- suppressWarnings(as.integer(text))
    if (is.na(least)) {
        fail("disclosure_refused", "The variable DISCLOSURE_MINIMUM_ROWS holds '", text, "'")
    }
    if (rows < least) {
        fail("disclosure_refused", "There are fewer than ", least, " usable rows in ", what)
    }
    invisible(rows)
}
