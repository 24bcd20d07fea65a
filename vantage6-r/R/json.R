# JSON in which no number loses a digit. `jsonlite` writes at most 15 of them, and what it reads
# into a vector it may turn into text on the way, so both directions have their own rules here.

ESCAPES <- c("\\" = "\\\\", "\"" = "\\\"", "\n" = "\\n", "\r" = "\\r", "\t" = "\\t",
             "\b" = "\\b", "\f" = "\\f")

#' Text of a value.
#'
#' A vector of one element without names becomes that element, unless `I()` stands around it.
#' @noRd
write_json <- function(value) {
    if (is.null(value)) {
        return("null")
    }
    if (is.data.frame(value)) {
        return(write_frame(value))
    }
    if (inherits(value, c("Date", "POSIXt"))) {
        return(write_json(as_iso(value)))
    }
    if (inherits(value, c("formula", "call", "name"))) {
        return(write_json(paste(deparse(value, width.cutoff = 500L), collapse = " ")))
    }
    if (is.factor(value)) {
        return(write_json(restore_box(as.character(value), value)))
    }
    if (is.list(value)) {
        return(write_collection(value, vapply(unclass(value), write_json, "")))
    }
    if (!is.atomic(value) || is.raw(value) || is.complex(value)) {
        fail("payload_error", "A value of class ", class(value)[[1]], " cannot be put into JSON")
    }
    if (length(dim(value)) == 2) {
        rows <- lapply(seq_len(nrow(value)), function(row) I(unname(value[row, ])))
        return(write_json(rows))
    }
    parts <- write_elements(value)
    if (length(value) == 1 && is.null(names(value)) && !inherits(value, "AsIs")) {
        return(parts)
    }
    write_collection(value, parts)
}

write_collection <- function(value, parts) {
    labels <- names(value)
    if (is.null(labels)) {
        return(paste0("[", paste(parts, collapse = ","), "]"))
    }
    if (anyNA(labels) || any(labels == "") || anyDuplicated(labels)) {
        fail("payload_error", "A value has names that are missing or not unique, ",
             "so it cannot be put into JSON")
    }
    members <- paste0(write_strings(labels), ":", parts, recycle0 = TRUE)
    paste0("{", paste(members, collapse = ","), "}")
}

write_elements <- function(value) {
    if (is.character(value)) {
        return(write_strings(value))
    }
    if (is.logical(value)) {
        return(ifelse(is.na(value), "null", ifelse(value, "true", "false")))
    }
    write_numbers(value)
}

#' Fifteen digits where they say it all, else seventeen, which always do.
#' @noRd
write_numbers <- function(value) {
    if (is.integer(value)) {
        return(ifelse(is.na(value), "null", as.character(value)))
    }
    value <- as.numeric(value)
    text <- rep("null", length(value))
    known <- which(is.finite(value))
    short <- sprintf("%.15g", value[known])
    text[known] <- ifelse(as.numeric(short) == value[known], short, sprintf("%.17g", value[known]))
    text
}

write_strings <- function(value) {
    text <- enc2utf8(as.character(value))
    if (any(grepl("[\\\\\"[:cntrl:]]", text))) {
        for (letter in names(ESCAPES)) {
            text <- gsub(letter, ESCAPES[[letter]], text, fixed = TRUE)
        }
        for (code in setdiff(1:31, utf8ToInt("\b\t\n\f\r"))) {
            text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
        }
    }
    ifelse(is.na(value), "null", paste0("\"", text, "\""))
}

#' A data frame as a list of records, which is what tables are on the wire.
#' @noRd
write_frame <- function(frame) {
    if (anyDuplicated(names(frame))) {
        fail("payload_error", "Columns that share a name cannot be put into JSON")
    }
    if (nrow(frame) == 0 || ncol(frame) == 0) {
        return("[]")
    }
    columns <- lapply(seq_along(frame), function(at) {
        column <- frame[[at]]
        cells <- if (is.list(column)) vapply(unclass(column), write_json, "") else write_elements(plain(column))
        paste0(write_strings(names(frame)[[at]]), ":", cells)
    })
    rows <- do.call(paste, c(columns, sep = ","))
    paste0("[", paste0("{", rows, "}", collapse = ","), "]")
}

plain <- function(column) {
    if (is.factor(column)) as.character(column)
    else if (inherits(column, c("Date", "POSIXt"))) as_iso(column)
    else unclass(column)
}

as_iso <- function(moment) {
    if (inherits(moment, "Date")) format(moment) else format(moment, "%Y-%m-%dT%H:%M:%SZ", tz = "UTC")
}

restore_box <- function(text, value) {
    if (inherits(value, "AsIs")) I(text) else text
}

#' The value of JSON text.
#'
#' Lists of numbers, of texts and of truth values become vectors; lists of records a data frame;
#' lists of equally long vectors of numbers a matrix. What is mixed stays a list: nothing is
#' turned into text. Whole numbers beyond 2^53 come as text, as no number of R can hold them.
#' @noRd
read_json <- function(text) {
    tree <- tryCatch(
        from_json(text, bigint_as_char = TRUE),
        error = function(error) fail("payload_error", "The payload is not valid JSON")
    )
    if (is_typed(tree)) read_typed(tree) else simplify(tree)
}

simplify <- function(tree) {
    if (!is.list(tree) || length(tree) == 0) {
        return(tree)
    }
    if (!is.null(names(tree))) {
        return(lapply(tree, simplify))
    }
    if (is_records(tree)) {
        return(as_frame(tree))
    }
    kind <- common_kind(tree)
    if (!is.null(kind)) {
        return(as_vector(tree, kind))
    }
    items <- lapply(tree, simplify)
    if (is_matrix(items)) do.call(rbind, items) else items
}

#' What the elements of a list are, apart from nulls; NULL where they are not of one kind.
#' @noRd
common_kind <- function(items) {
    single <- vapply(items, function(item) is.null(item) || (is.atomic(item) && length(item) == 1), NA)
    if (!all(single)) {
        return(NULL)
    }
    kinds <- unique(vapply(Filter(Negate(is.null), items), function(item) {
        if (is.numeric(item)) "numeric" else typeof(item)
    }, ""))
    if (length(kinds) == 1) kinds else NULL
}

as_vector <- function(items, kind) {
    items[vapply(items, is.null, NA)] <- NA
    values <- unlist(items, use.names = FALSE)
    if (kind == "character") as.character(values) else values
}

is_records <- function(items) {
    all(vapply(items, function(item) {
        is.list(item) && length(item) > 0 && !is.null(names(item)) && !any(vapply(item, is.list, NA))
    }, NA))
}

as_frame <- function(records) {
    columns <- unique(unlist(lapply(records, names)))
    frame <- lapply(columns, function(column) {
        cells <- lapply(records, function(record) record[[column]])
        kind <- common_kind(cells)
        if (!is.null(kind)) as_vector(cells, kind)
        else if (all(vapply(cells, is.null, NA))) rep(NA, length(cells))
        else I(cells)
    })
    names(frame) <- columns
    structure(frame, class = "data.frame", row.names = seq_along(records))
}

is_matrix <- function(items) {
    size <- length(items[[1]])
    size > 0 && all(vapply(items, function(item) {
        is.numeric(item) && is.null(dim(item)) && length(item) == size
    }, NA))
}

#' What others wrote in JSON, as plain lists. `jsonlite::fromJSON` would take a text that is no JSON
#' for the path of a file or for an address, and read that.
#' @noRd
from_json <- function(text, ...) {
    if (!isTRUE(as.logical(jsonlite::validate(text)))) stop("not JSON")
    jsonlite::fromJSON(text, simplifyVector = FALSE, ...)
}
