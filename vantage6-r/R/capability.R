# What an organization says it can read: a small statement, signed with its key.

CAPABILITY_LABEL <- c(charToRaw("vantage6-capability-1"), as.raw(0))
CAPABILITY_FIELDS <- c("envelopes", "issued_at", "key", "organization_id", "v")

#' The statement of an organization; NULL when it is none, or not signed with its key.
#' @noRd
genuine_statement <- function(text, key, organization_id) {
    if (!is.character(text) || length(text) != 1 || is.na(text) || nchar(text) > 8192) {
        return(NULL)
    }
    parts <- strsplit(text, "$", fixed = TRUE)[[1]]
    if (length(parts) != 3 || parts[[1]] != "capability-1") {
        return(NULL)
    }
    tryCatch({
        raw <- decode64(parts[[2]])
        values <- from_json(rawToChar(raw))
        right <- setequal(names(values), CAPABILITY_FIELDS) && identical(values$v, 1L) &&
            is_id(values$organization_id) && is_id(values$issued_at) &&
            values$organization_id == organization_id && identical(values$key, fingerprint(key)) &&
            identical(canonical_json(values), raw) &&
            is_signed(key, sha256(c(CAPABILITY_LABEL, raw)), decode64(parts[[3]]))
        if (right) {
            list(issued_at = values$issued_at,
                 reads_authenticated = "authenticated" %in% unlist(values$envelopes))
        }
    }, error = function(error) NULL)
}
