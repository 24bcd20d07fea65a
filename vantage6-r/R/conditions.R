# The errors of this package: conditions of class `vtg_error`, each with a class of its own.

#' Raise an error with a class, so that scripts can tell it from others.
#' @noRd
fail <- function(kind, ..., fields = list()) {
    message <- paste0(..., collapse = "")
    classes <- c(paste0("vtg_", kind), "vtg_error", "error", "condition")
    stop(structure(class = classes, c(list(message = message, call = NULL), fields)))
}

#' One line out of several.
#' @noRd
one_line <- function(text) {
    trimws(gsub("[[:space:]]+", " ", paste(text, collapse = " ")))
}

`%||%` <- function(left, right) if (is.null(left)) right else left
