# Words for people; what algorithms print goes to the log of their run.

#' Print a line.
writeln <- function(text = "", sep = " ") {
    cat(paste(text, collapse = sep), "\n", sep = "")
}

#' Fill in the `{expressions}` of a text that stands in the program itself.
#'
#' A text that was put together at run time is left as it is: it may hold what somebody sent.
#' @noRd
interpolate <- function(literal, text, frame) {
    if (!is.character(literal)) {
        return(text)
    }
    places <- gregexpr("\\{[^{}]+\\}", text)
    values <- lapply(regmatches(text, places), function(found) {
        vapply(found, function(place) {
            expression <- str2lang(substr(place, 2, nchar(place) - 1))
            paste(format(eval(expression, frame)), collapse = " ")
        }, "")
    })
    regmatches(text, places) <- values
    text
}

LEVELS <- c(debug = 1, info = 2, warn = 3, error = 4, off = 5)

make_log <- function(threshold = "info") {
    force(threshold)
    log <- new.env(parent = emptyenv())
    say <- function(level) {
        force(level)
        function(text, ...) {
            if (LEVELS[[level]] >= LEVELS[[threshold]]) {
                words <- interpolate(substitute(text), text, parent.frame())
                message(sprintf("%-5s > %s", level, paste(words, collapse = " ")))
            }
            invisible(NULL)
        }
    }
    for (level in setdiff(names(LEVELS), "off")) {
        assign(level, say(level), envir = log)
    }
    log$set_threshold <- function(level) {
        threshold <<- match.arg(level, names(LEVELS))
        invisible(threshold)
    }
    log
}

log <- make_log()
