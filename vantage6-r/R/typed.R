# The typed form of JSON, docs/reference/payloads.md of the project: what Python sends where plain
# JSON has no word for a value. It is read here, as far as R has such values, and not written.

TYPED <- "$typed"
NUMBERS <- "^(float(16|32|64)|u?int(8|16|32|64))$"

is_typed <- function(tree) is.list(tree) && TYPED %in% names(tree)

type_of <- function(node) if (is.list(node) && !is.null(names(node))) node[["$type"]]

#' The value behind a tree in the typed form.
#' @noRd
read_typed <- function(tree) {
    if (!identical(tree[[TYPED]], 1L) || length(tree) != 2 || !"value" %in% names(tree)) {
        fail("payload_error", "The payload is in a typed form that is not known here")
    }
    tryCatch(revive(tree[["value"]]), error = function(error) {
        if (inherits(error, "vtg_error")) stop(error)
        fail("payload_error", "The payload has a typed value that does not have its form")
    })
}

revive <- function(node) {
    kind <- type_of(node)
    if (!is.null(kind)) {
        return(revive_type(kind, node))
    }
    if (!is.list(node) || !has_types(node)) {
        return(simplify(node))
    }
    lapply(node, revive)
}

has_types <- function(node) {
    is.list(node) && (!is.null(type_of(node)) || any(vapply(node, has_types, NA)))
}

revive_type <- function(kind, node) {
    switch(kind,
        float = special_number(node$value),
        decimal = as.numeric(node$value),
        bytes = decode64(node$value),
        date = as.Date(node$value),
        datetime = , timestamp = as_moment(node$value, node$zone),
        time = node$value,
        set = , frozenset = , tuple = revive(node$items),
        map = revive_map(node$items),
        array = as_array(revive_column(node), unlist(node$shape)),
        scalar = , values = revive_column(node),
        index = revive_labels(node$labels %||% node),
        series = named_values(revive_column(node), revive_labels(node$index)),
        frame = revive_frame(node),
        missing = NA,
        fail("payload_error", "The payload has a value of the type '", one_line(kind), "', which R ",
             "does not know; ask for it without types")
    )
}

special_number <- function(word) {
    known <- c("NaN" = NaN, Infinity = Inf, "-Infinity" = -Inf)
    if (!word %in% names(known)) fail("payload_error", "The payload has a number that is none")
    known[[word]]
}

as_moment <- function(text, zone = NULL) {
    text <- sub("([+-][0-9]{2}):([0-9]{2})$", "\\1\\2", unlist(text))
    form <- if (any(grepl("[+-][0-9]{4}$", text))) "%Y-%m-%dT%H:%M:%OS%z" else "%Y-%m-%dT%H:%M:%OS"
    moment <- as.POSIXct(strptime(text, form, tz = "UTC"))
    if (is.character(zone) && zone %in% OlsonNames()) attr(moment, "tzone") <- zone
    moment
}

revive_map <- function(pairs) {
    labels <- vapply(pairs, function(pair) as.character(revive(pair[[1]])), "")
    values <- lapply(pairs, function(pair) revive(pair[[2]]))
    names(values) <- labels
    values
}

#' Arrays come row by row; those of R are column by column.
#' @noRd
as_array <- function(values, shape) {
    if (length(shape) < 2) values else aperm(array(values, rev(shape)))
}

named_values <- function(values, labels) {
    names(values) <- labels
    values
}

revive_frame <- function(node) {
    columns <- lapply(node$data, function(part) {
        column <- revive_column(part)
        if (is.list(column) && !is.data.frame(column)) I(column) else column
    })
    rows <- revive_labels(node$index)
    if (any(lengths(columns) != length(rows))) {
        fail("payload_error", "The payload has a table whose columns differ in length")
    }
    names(columns) <- as.character(revive_labels(node$columns))
    if (node$index$dtype == "range" || anyDuplicated(rows) || anyNA(rows)) rows <- seq_along(rows)
    structure(columns, class = "data.frame", row.names = rows)
}

revive_labels <- function(labels) {
    if (labels$dtype == "multi") {
        fail("payload_error", "The payload has labels of several levels, which R does not know")
    }
    if (labels$dtype != "range") {
        return(revive_column(labels))
    }
    size <- max(0, ceiling((labels$stop - labels$start) / labels$step))
    if (size > 1e8) fail("payload_error", "The payload has more labels than values")
    labels$start + labels$step * (seq_len(size) - 1)
}

revive_column <- function(part) {
    kind <- part$dtype
    if (kind == "category") {
        levels <- as.character(revive_labels(part$categories))
        codes <- as.integer(flat(part$values, "numeric")) + 1L
        return(factor(levels[codes], levels = levels, ordered = isTRUE(part$ordered)))
    }
    if (startsWith(kind, "datetime64")) {
        return(as_moment(flat(part$values, "character"), part$zone))
    }
    if (grepl(NUMBERS, kind, ignore.case = TRUE)) {
        numbers <- lapply(part$values, function(one) {
            if (is.null(type_of(one))) one else revive(one)
        })
        return(flat(numbers, "numeric"))
    }
    switch(kind,
        bool = , boolean = flat(part$values, "logical"),
        str = , string = , text = flat(part$values, "character"),
        object = revive(part$values),
        fail("payload_error", "The payload has a column of the type '", one_line(kind), "', which R ",
             "does not know; ask for it without types")
    )
}

is_number <- function(values) {
    is.numeric(values) || all(is.na(values) | grepl("^-?[0-9]+([.eE][-+0-9eE]*)?$", values))
}

#' A vector of one kind; whole numbers that R cannot hold make it one of texts.
#' @noRd
flat <- function(values, kind) {
    if (any(vapply(values, is.list, NA))) {
        fail("payload_error", "The payload has a column that does not fit its type")
    }
    values[vapply(values, is.null, NA)] <- NA
    plain <- unlist(values)
    if (length(plain) == 0) {
        return(vector(kind, 0))
    }
    is_empty <- all(is.na(plain))
    is_right <- typeof(plain) == kind || (kind == "numeric" && is_number(plain))
    if (!is_empty && !is_right) {
        fail("payload_error", "The payload has a column that does not fit its type")
    }
    if (is_empty) as.vector(plain, kind) else plain
}
