# The client of central functions, which asks through the proxy of the node.

ContainerClient <- R6Class("ContainerClient",
    inherit = Caller,
    public = list(
        organization_id = NULL,

        initialize = function(host, token, api_path = "", allow.rds = FALSE) {
            self$host <- sub("/+$", "", host)
            self$api_path <- api_path
            self$log <- log
            self$allow.rds <- isTRUE(allow.rds)
            private$token <- token
            private$options <- http_options(direct = TRUE)
            claims <- token_subject(token)
            self$collaboration_id <- claims$collaboration_id
            self$organization_id <- claims$organization_id
            self$database <- claims$database
            private$own_image <- self$image <- claims$image
        },

        authenticate = function(username = "", password = "") {
            self$log$warn("Containers have their token already and do not log in")
            invisible("OK")
        }
    ),
    private = list(
        own_image = NULL,

        own_id = function() self$organization_id,

        # The proxy encrypts. Subtasks run the same image: no other would be let in.
        create = function(ids, payload) {
            text <- encode64(payload)
            body <- list(
                name = if (nzchar(self$task.name)) self$task.name else "subtask",
                image = private$own_image, description = "",
                collaboration_id = self$collaboration_id,
                organizations = lapply(ids, function(id) list(id = id, input = text))
            )
            if (!is.null(self$database)) body$database <- self$database
            private$ask("POST", "/task", body)
        },

        open_result = function(run) decode64(run$result)
    )
)

#' What a container token says of itself; the server is who verifies it.
#' @noRd
token_subject <- function(token) {
    part <- strsplit(token, ".", fixed = TRUE)[[1]]
    claims <- tryCatch({
        text <- chartr("-_", "+/", part[[2]])
        padded <- paste0(text, strrep("=", (-nchar(text)) %% 4))
        from_json(rawToChar(openssl::base64_decode(padded)))
    }, error = function(error) NULL)
    subject <- claims$sub %||% claims$identity
    if (!is.list(subject) || is.null(subject$collaboration_id)) {
        fail("error", "The token was not made for a container")
    }
    subject
}
