# A client without a server: the functions of a package, run here on data frames.

MockClient <- R6Class("MockClient",
    public = list(
        datasets = NULL,
        pkgname = NULL,
        image = NULL,
        task.name = "",
        use.master.container = FALSE,
        using_encryption = FALSE,
        data_format = "json",
        collaboration = NULL,
        collaboration_id = 1,
        organizations = NULL,
        log = NULL,

        initialize = function(datasets, pkgname = "") {
            self$datasets <- datasets
            self$pkgname <- pkgname
            self$log <- log
            self$collaboration <- list(id = 1, name = "mock", encrypted = FALSE, organizations = lapply(
                seq_along(datasets), function(at) list(id = at, name = paste0("mock-", at))
            ))
        },

        authenticate = function(username = "", password = "") invisible("OK"),

        set.pkgname = function(pkg) {
            self$pkgname <- pkg
            invisible(self)
        },

        set.task.image = function(image, task.name = "") {
            self$image <- image
            self$task.name <- task.name
            invisible(self)
        },

        setOrganizations = function(organizations) {
            self$organizations <- organizations
            invisible(self)
        },

        setCollaborationId = function(collaboration_id) {
            self$collaboration_id <- collaboration_id
            invisible(self)
        },

        setUseMasterContainer = function(flag = TRUE) {
            self$use.master.container <- isTRUE(flag)
            invisible(self)
        },

        # Inputs and answers go through their wire form, as they do for real.
        call = function(method, ...) {
            central <- self$use.master.container
            payload <- to.payload(task_input(method, central, self$data_format, list(...)), self$data_format)
            input <- read_input(payload, TRUE)
            target <- find_function(self$pkgname, input)
            run <- function(leading) {
                answer <- call_function(target, c(list(leading), input$args, input$kwargs))
                from.payload(to.payload(answer, self$data_format), allow.rds = TRUE)
            }
            if (central) {
                inner <- self$clone()
                inner$use.master.container <- FALSE
                return(run(inner))
            }
            chosen <- as.integer(unlist(self$organizations) %||% seq_along(self$datasets))
            lapply(self$datasets[chosen], run)
        }
    )
)
