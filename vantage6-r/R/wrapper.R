# What runs in a container: from the input to the function it asks for, and to its answer.

docker.wrapper <- function(pkg = "") {
    status <- tryCatch({
        run_algorithm(pkg)
        0L
    }, error = function(error) {
        # one line and no trace: the lines of a program can show data
        cat("error >", one_line(conditionMessage(error)), "\n")
        1L
    })
    quit(save = "no", status = status, runLast = FALSE)
}

run_algorithm <- function(pkg, environment = Sys.getenv()) {
    allow <- tolower(variable(environment, "ALLOW_PICKLE", "")) %in% c("1", "true", "yes")
    payload <- read_bytes(variable(environment, "INPUT_FILE"))
    input <- parse_input(payload, allow)
    format <- answer_format(input, payload)
    target <- find_function(pkg, input)
    leading <- if (is_central(input)) {
        list(connect(environment, allow, format))
    } else {
        list(read_data(variable(environment, "DATABASE_URI")))
    }
    answer <- call_function(target, c(leading, input$args, input$kwargs))
    bytes <- tryCatch(to.payload(answer, format), error = function(error) {
        fail("output_error", "The answer cannot be written. ", conditionMessage(error))
    })
    writeBin(bytes, variable(environment, "OUTPUT_FILE"))
}

variable <- function(environment, name, default = NULL) {
    if (name %in% names(environment)) {
        return(environment[[name]])
    }
    default %||% fail("input_error", "The variable ", name, " is not set")
}

read_bytes <- function(path) {
    if (!file.exists(path)) {
        fail("input_error", "There is no file at ", path)
    }
    readBin(path, "raw", file.size(path))
}

#' The list in an input, with arguments that are lists.
#' @noRd
parse_input <- function(payload, allow_rds) {
    input <- tryCatch(read_input(payload, allow_rds), vtg_payload_error = function(error) {
        fail("input_error", "The input cannot be read. ", conditionMessage(error))
    })
    method <- if (is.list(input)) input$method
    if (!is.character(method) || length(method) != 1 || is.na(method) || method == "") {
        fail("input_error", "The input does not name a method")
    }
    input
}

read_input <- function(payload, allow_rds) {
    if (payload_format(payload) == RDS && !allow_rds) {
        fail("payload_error", "It is in R's own format, which this node does not accept; ",
             "send it as JSON (the owner of the node can allow that with `allow_pickle`)")
    }
    input <- from.payload(payload, allow.rds = allow_rds)
    if (is.list(input)) {
        input$args <- as.list(input$args)
        input$kwargs <- as.list(input$kwargs)
    }
    input
}

is_central <- function(input) isTRUE(as.logical(input$master))

answer_format <- function(input, payload) {
    asked <- input$output_format %||% input$kwargs$data_format %||% payload_format(payload)
    if (!is.character(asked) || length(asked) != 1 || !tolower(asked) %in% c(JSON, RDS)) {
        fail("output_error", "The answer is asked for in the format '", one_line(format(asked)),
             "', which this image cannot write; known are json, rds")
    }
    tolower(asked)
}

#' The function that an input asks for: an exported one of the package, or of the program itself.
#' @noRd
find_function <- function(pkg, input) {
    name <- paste0(if (!is_central(input)) "RPC_", input$method)
    if (pkg == "") {
        found <- get0(name, globalenv(), mode = "function", inherits = FALSE)
        known <- ls(globalenv())
    } else {
        if (!requireNamespace(pkg, quietly = TRUE)) {
            fail("method_not_found", "The algorithm package '", pkg, "' is not installed in this image")
        }
        known <- getNamespaceExports(pkg)
        found <- if (name %in% known) getExportedValue(pkg, name)
    }
    if (!is.function(found)) {
        federated <- sort(grep("^RPC_", known, value = TRUE))
        fail("method_not_found", "The algorithm has no function ", name, "; its federated functions are ",
             if (length(federated)) paste(federated, collapse = ", ") else "none")
    }
    list(name = name, run = found)
}

#' Make a call. The arguments stand in it as names: with their values in it, a warning, or a model
#' that keeps its call, would show the data.
#' @noRd
call_function <- function(target, arguments) {
    arguments <- without_unknown_format(target$run, arguments)
    places <- c("data", sprintf("argument.%d", seq_along(arguments)[-1]))
    frame <- list2env(stats::setNames(arguments, places), parent = globalenv())
    names <- stats::setNames(lapply(places, as.name), names(arguments))
    writeln(paste("info > Calling", target$name))
    tryCatch(
        withCallingHandlers(
            do.call(target$run, names, envir = frame),
            warning = function(warning) {
                writeln(paste("warn >", words_of(warning, target$run)))
                invokeRestart("muffleWarning")
            }
        ),
        error = function(error) {
            fail("function_failed", "Error encountered while calling ", target$name, ": ",
                 words_of(error, target$run))
        }
    )
}

#' What a condition says, where the algorithm itself or this package chose the words. Those of other
#' functions can hold a value of a row, as in `object 'Mr Smith' not found`.
#' @noRd
words_of <- function(condition, run) {
    call <- conditionCall(condition)
    home <- topenv(environment(run) %||% globalenv())
    by <- if (is.call(call)) call[[1]]
    is_own <- inherits(condition, "vtg_error") || is.null(call) || identical(by, run) ||
        (is.name(by) && exists(as.character(by), envir = home, inherits = FALSE))
    if (is_own) {
        return(one_line(conditionMessage(condition)))
    }
    where <- if (is.name(by)) paste0(" in ", as.character(by))
    paste0(class(condition)[[1]], where, "; its text is left out, as it can show data")
}

#' Researchers may ask for the format of the answer among the keywords, which functions do not know.
#' @noRd
without_unknown_format <- function(run, arguments) {
    if (!any(c("data_format", "...") %in% names(formals(run)))) {
        arguments[["data_format"]] <- NULL
    }
    arguments
}

read_data <- function(uri) {
    if (grepl("^[A-Za-z][A-Za-z0-9+.-]*://", uri)) {
        fail("input_error", "R algorithms read CSV files; the database of this node is something else")
    }
    path <- sub("^file:", "", uri)
    if (!file.exists(path)) {
        fail("input_error", "The database is not there")
    }
    tryCatch(utils::read.csv(path), error = function(error) {
        fail("input_error", "The database cannot be read as CSV")
    })
}

connect <- function(environment, allow, format) {
    token <- trimws(rawToChar(read_bytes(variable(environment, "TOKEN_FILE"))))
    host <- paste0(variable(environment, "HOST"), ":", variable(environment, "PORT"))
    client <- ContainerClient$new(host, token, variable(environment, "API_PATH", ""), allow)
    client$data_format <- if (format == RDS && allow) RDS else JSON
    client$setCollaborationId(client$collaboration_id)
    client
}
