# Payloads of tasks and results: the name of a format, a dot, and bytes.

JSON <- "json"
RDS <- "rds"
MOST_LETTERS <- 10L

#' The format of a payload, read from its first bytes and never from its content.
#' @noRd
payload_format <- function(data) {
    if (length(data) == 0) {
        return("")
    }
    head <- utils::head(data, MOST_LETTERS)
    dot <- match(charToRaw("."), head)
    if (!is.na(dot) && dot > 1 && all(is_letter(head[seq_len(dot - 1)]))) {
        return(tolower(rawToChar(head[seq_len(dot - 1)])))
    }
    first <- head[!head %in% charToRaw(" \t\r\n")]
    if (length(first) && first[[1]] %in% charToRaw("{[")) {
        return(JSON)
    }
    # what classic wrappers write without a prefix: R's own form, as it is or compressed
    if (identical(head[1:2], charToRaw("X\n")) || identical(head[1:2], as.raw(c(0x1f, 0x8b)))) {
        return(RDS)
    }
    "pickle"
}

is_letter <- function(bytes) {
    bytes %in% charToRaw(paste(c(letters, LETTERS, 0:9), collapse = ""))
}

#' Bytes of a value, with the name of their format in front.
to.payload <- function(value, format = "json") {
    format <- tolower(format)
    body <- switch(format,
        json = charToRaw(enc2utf8(write_json(value))),
        rds = serialize(value, NULL, version = 2),
        fail("payload_error", "'", format, "' is not a known data format; known are json, rds")
    )
    c(charToRaw(paste0(format, ".")), body)
}

#' The value of a payload, whatever format it says it is in.
from.payload <- function(data, allow.rds = FALSE) {
    format <- payload_format(data)
    if (format == RDS && !isTRUE(allow.rds)) {
        fail("payload_error", "The payload is in R's own format, which can run programs when it is ",
             "read; ask for JSON, or allow it with allow.rds = TRUE if you trust its sender")
    }
    body <- without_prefix(data, format)
    switch(format,
        json = read_json(read_utf8(body)),
        rds = read_rds(body),
        pickle = fail("payload_error", "The payload is a pickle of Python, which R cannot read; ",
                      "ask for JSON with output_format"),
        if (format == "") fail("payload_error", "The payload is empty")
        else fail("payload_error", "The payload is in the format '", format, "', which is not known")
    )
}

without_prefix <- function(data, format) {
    prefix <- charToRaw(paste0(format, "."))
    head <- utils::head(data, length(prefix))
    is_there <- length(head) == length(prefix) && !any(head == as.raw(0)) &&
        tolower(rawToChar(head)) == rawToChar(prefix)
    if (is_there) data[-seq_along(prefix)] else data
}

read_utf8 <- function(body) {
    text <- if (any(body == as.raw(0))) NA_character_ else rawToChar(body)
    Encoding(text) <- "UTF-8"
    if (is.na(text) || !validUTF8(text)) {
        fail("payload_error", "The payload is not valid JSON")
    }
    text
}

read_rds <- function(body) {
    connection <- gzcon(rawConnection(body))
    on.exit(close(connection))
    tryCatch(readRDS(connection), error = function(error) {
        fail("payload_error", "The payload in R's own format cannot be read")
    })
}
