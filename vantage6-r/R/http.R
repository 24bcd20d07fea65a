# One HTTP call, and what its answer means.

#' How calls travel: the certificate authority, the proxy, and how long an answer may take.
#' @noRd
http_options <- function(ca = NULL, proxy = NULL, timeout = 120, direct = FALSE) {
    if (!is.null(ca) && !file.exists(ca)) {
        fail("error", "There is no file with certificates at ", ca)
    }
    # a redirect could carry the token to somebody else
    settings <- list(followlocation = 0L, timeout_ms = as.integer(timeout * 1000))
    if (!is.null(ca)) settings$cainfo <- ca
    if (!is.null(proxy)) settings$proxy <- proxy
    if (direct) settings$noproxy <- "*"
    do.call(httr::config, settings)
}

#' Make a call; a question is repeated while the other side is away.
#' @noRd
send_http <- function(method, url, token, body, options, patience = 0) {
    headers <- if (!is.null(token)) httr::add_headers(Authorization = paste("Bearer", token))
    content <- if (!is.null(body)) charToRaw(enc2utf8(write_json(body)))
    once <- function() {
        httr::VERB(method, url, options, headers, httr::content_type_json(), body = content)
    }
    pause <- 0.2
    end <- Sys.time() + patience
    repeat {
        answer <- tryCatch(once(), error = function(error) error)
        is_away <- inherits(answer, "error") || answer$status_code %in% c(502L, 503L, 504L)
        if (!is_away || method != "GET" || Sys.time() > end) {
            break
        }
        Sys.sleep(pause)
        pause <- min(5, 2 * pause)
    }
    if (inherits(answer, "error")) {
        fail("connection_error", "The server at ", without_query(url), " does not answer: ",
             one_line(conditionMessage(answer)))
    }
    answer
}

without_query <- function(url) sub("[?].*$", "", url)

is_success <- function(answer) answer$status_code %in% c(200L, 201L, 202L, 204L)

#' Raise what the server said, unless it did what was asked.
#' @noRd
require_success <- function(answer) {
    if (is_success(answer)) {
        return(invisible(answer))
    }
    said <- tryCatch(parsed(answer)$msg, error = function(error) NULL)
    status <- answer$status_code
    words <- if (is.character(said)) said else paste("The server answered with status", status)
    fail("http_error", words, fields = list(status = status))
}

#' The JSON of an answer, as plain lists.
#' @noRd
parsed <- function(answer) {
    body <- httr::content(answer, as = "raw")
    if (length(body) == 0) {
        return(NULL)
    }
    tryCatch(
        from_json(read_utf8(body)),
        error = function(error) {
            fail("http_error", "The answer of the server is not JSON",
                 fields = list(status = answer$status_code))
        }
    )
}
