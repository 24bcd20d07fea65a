# What the client of researchers and that of algorithms have in common: asking for a function to
# be run at organizations, waiting, and reading what comes back.

LONG_POLL <- 20
PATIENCE <- 60

Caller <- R6Class("Caller",
    public = list(
        host = NULL,
        api_path = NULL,
        username = "",
        collaboration_id = NULL,
        collaboration = NULL,
        organizations = NULL,
        image = NULL,
        task.name = "",
        database = NULL,
        use.master.container = FALSE,
        using_encryption = FALSE,
        data_format = "json",
        allow.rds = FALSE,
        SEPARATOR = "$",
        log = NULL,

        set.task.image = function(image, task.name = "") {
            self$image <- image
            self$task.name <- task.name
            invisible(self)
        },

        setOrganizations = function(organizations) {
            self$organizations <- organizations
            invisible(self)
        },

        setUseMasterContainer = function(flag = TRUE) {
            self$use.master.container <- isTRUE(flag)
            invisible(self)
        },

        setCollaborationId = function(collaboration_id) {
            id <- whole_number(collaboration_id, "collaboration_id")
            self$collaboration_id <- id
            self$collaboration <- private$ask("GET", sprintf("/collaboration/%.0f", id))
            self$using_encryption <- isTRUE(self$collaboration$encrypted)
            self$collaboration$organizations <- lapply(
                self$collaboration$organizations,
                function(organization) self$getOrganization(organization$id)
            )
            invisible(self)
        },

        getOrganization = function(organization_id) {
            id <- whole_number(organization_id, "organization_id")
            private$ask("GET", sprintf("/organization/%.0f", id))
        },

        getCollaboration = function(collaboration_id) {
            id <- whole_number(collaboration_id, "collaboration_id")
            private$ask("GET", sprintf("/collaboration/%.0f", id))
        },

        getVersion = function() {
            private$ask("GET", "/version")$version
        },

        call = function(method, ...) {
            task <- self$submit(method, ...)
            self$log$debug("Task {task$id} was created")
            answers <- self$process.results(self$wait.for.results(task))
            if (self$use.master.container) answers[[1]] else answers
        },

        submit = function(method, ...) {
            if (is.null(self$collaboration)) {
                fail("error", "Choose a collaboration first, with client$setCollaborationId(id)")
            }
            if (is.null(self$image)) {
                fail("error", "Name an image first, with client$set.task.image(image, task.name)")
            }
            private$check_format()
            input <- task_input(method, self$use.master.container, self$data_format, list(...))
            payload <- to.payload(input, self$data_format)
            ids <- private$recipients()
            task <- private$create(ids, payload)
            private$asked_of[[as.character(task$id)]] <- ids
            task
        },

        wait.for.results = function(task, timeout = Inf) {
            end <- Sys.time() + timeout
            path <- sprintf("/task/%.0f", task$id)
            repeat {
                asked <- Sys.time()
                left <- as.numeric(end - asked, units = "secs")
                wait <- max(0, min(LONG_POLL, floor(left)))
                if (isTRUE(private$ask("GET", sprintf("%s?wait=%.0f", path, wait))$complete)) {
                    break
                }
                if (Sys.time() >= end) {
                    fail("task_unfinished", "Task ", task$id, " has not ended yet")
                }
                # classic servers answer at once
                Sys.sleep(max(0, min(1, left, 1 - as.numeric(Sys.time() - asked, units = "secs"))))
            }
            private$runs_of(task)
        },

        process.results = function(site_results) {
            order <- order(vapply(site_results, function(run) as.numeric(run$id), 1))
            site_results <- site_results[order]
            require_completed(site_results, private$name_of)
            answers <- lapply(site_results, function(run) {
                from.payload(private$open_result(run), allow.rds = self$allow.rds)
            })
            require_no_errors(answers, site_results, private$name_of)
            answers
        },

        # Answers of the runs of a task, once it has ended.
        results = function(task) {
            self$process.results(private$runs_of(task))
        },

        request = function(method, path, data = NULL, prefix.api.path = TRUE) {
            private$send(method, path, data, prefix.api.path)
        },

        GET = function(path, prefix.api.path = TRUE) {
            self$request("GET", path, prefix.api.path = prefix.api.path)
        },

        POST = function(path, data = NULL, prefix.api.path = TRUE) {
            self$request("POST", path, data, prefix.api.path)
        },

        PUT = function(path, data = NULL, prefix.api.path = TRUE) {
            self$request("PUT", path, data, prefix.api.path)
        },

        repr = function() {
            sprintf("vtg::%s(host='%s', username='%s')", class(self)[[1]], self$host, self$username)
        },

        # Fields hold no secret; the token and the key are private.
        print = function(...) {
            cat(self$repr(), "\n", sep = "")
            invisible(self)
        }
    ),
    private = list(
        token = NULL,
        options = NULL,
        asked_of = list(),

        # The runs of a task. That they are of this task, and of all who were asked, is what we know;
        # a server that says otherwise would pass off old answers as new ones, or leave some out.
        runs_of = function(task) {
            runs <- private$ask("GET", sprintf("/task/%.0f/result", task$id))
            asked <- private$asked_of[[as.character(task$id)]]
            owners <- vapply(runs, function(run) as.numeric(owner_of(run)), 1)
            if (!is.null(asked) && !identical(sort(as.numeric(asked)), sort(owners))) {
                fail("error", "The server does not show one result for each organization that was asked")
            }
            lapply(runs, function(run) {
                run$task <- task$id
                run
            })
        },

        # Who runs it: a central function once, at the own organization unless others are chosen.
        recipients = function() {
            ids <- private$chosen()
            if (!self$use.master.container) {
                return(ids)
            }
            if (private$own_id() %in% ids) private$own_id() else ids[[1]]
        },

        ask = function(method, path, data = NULL) {
            parsed(private$send(method, path, data))
        },

        # The answer of httr, which is what `GET` and its kin return.
        send = function(method, path, data = NULL, prefix.api.path = TRUE) {
            # what does not begin so would become a part of the host's name
            if (!startsWith(path, "/")) {
                fail("error", "A path begins with '/', unlike '", path, "'")
            }
            url <- paste0(self$host, if (prefix.api.path) self$api_path, path)
            answer <- send_http(method, url, private$token, data, private$options, PATIENCE)
            if (answer$status_code == 401L && private$renew()) {
                answer <- send_http(method, url, private$token, data, private$options, PATIENCE)
            }
            require_success(answer)
        },

        renew = function() FALSE,

        check_format = function() {
            self$data_format <- tolower(self$data_format %||% JSON)
            if (self$data_format == RDS && !isTRUE(self$allow.rds)) {
                fail("payload_error", "Answers in R's own format can run programs when they are ",
                     "read; allow them with allow.rds = TRUE, or leave data_format at 'json'")
            }
        },

        # The ids that a task goes to: those chosen, of those in the collaboration.
        chosen = function() {
            ids <- vapply(self$collaboration$organizations, function(one) one$id, 1)
            if (is.null(self$organizations)) {
                return(ids)
            }
            wanted <- suppressWarnings(as.numeric(unlist(self$organizations)))
            if (length(wanted) == 0 || anyNA(wanted)) {
                fail("error", "Organizations are chosen by their ids, which are whole numbers")
            }
            if (length(strange <- setdiff(wanted, ids))) {
                fail("error", "Not in collaboration ", self$collaboration_id, ": organization ",
                     paste(strange, collapse = ", "))
            }
            wanted
        },

        name_of = function(organization_id) {
            for (organization in self$collaboration$organizations) {
                if (isTRUE(organization$id == organization_id)) {
                    return(organization$name)
                }
            }
            paste("organization", organization_id)
        }
    )
)

#' What a wrapper reads: the function and what it is called with.
#' @noRd
task_input <- function(method, central, format, arguments) {
    if (!is.character(method) || length(method) != 1 || is.na(method) || method == "") {
        fail("error", "A method is the name of a function")
    }
    labels <- names(arguments) %||% rep("", length(arguments))
    keywords <- arguments[labels != ""]
    # an empty list without names would be an array, which Python takes for no keywords at all
    names(keywords) <- labels[labels != ""]
    list(method = method, master = central, debug = FALSE, output_format = format,
         args = unname(arguments[labels == ""]), kwargs = keywords)
}

#' The last line of a log, without what only says that it is an error.
#' @noRd
reason_in <- function(log) {
    line <- last_line(log)
    if (is.null(line)) return(NULL)
    told <- sub("^((info|warn|error) > )?(Error encountered while calling [^ ]+: )?", "", line)
    told <- sub("^TaskFailed: (Task [0-9]+ failed at )", "\\1", told)
    if (nzchar(told)) told else line
}

require_completed <- function(runs, name_of) {
    failed <- Filter(function(run) {
        if (is.null(run$status)) !nzchar(run$result %||% "") else run$status != "completed"
    }, runs)
    if (length(failed)) {
        words <- vapply(failed, function(run) {
            paste0(name_of(owner_of(run)), ": ", reason_in(run$log) %||% run$status %||% "no result")
        }, "")
        fail("task_failed", "The task failed at ", paste(words, collapse = "; "),
             fields = list(runs = failed))
    }
}

#' Classic R wrappers answer `list(error = words)` where the function failed.
#' @noRd
require_no_errors <- function(answers, runs, name_of) {
    has_error <- vapply(answers, function(answer) {
        is.list(answer) && identical(names(answer), "error") && is.character(answer$error)
    }, NA)
    if (any(has_error)) {
        words <- vapply(which(has_error), function(at) {
            paste0(name_of(owner_of(runs[[at]])), ": ", one_line(answers[[at]]$error))
        }, "")
        fail("task_failed", "The task failed at ", paste(words, collapse = "; "),
             fields = list(runs = runs[has_error]))
    }
}

owner_of <- function(run) if (is.list(run$organization)) run$organization$id else run$organization

last_line <- function(text) {
    if (!is.character(text)) {
        return(NULL)
    }
    lines <- trimws(strsplit(text, "\n", fixed = TRUE)[[1]])
    lines <- lines[nzchar(lines)]
    if (length(lines)) lines[[length(lines)]]
}

whole_number <- function(value, name) {
    number <- suppressWarnings(as.numeric(value))
    if (length(number) != 1 || !is_id(number)) {
        fail("error", name, " is a whole number from 1, not ", one_line(format(value)))
    }
    number
}
