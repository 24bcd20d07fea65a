# Public keys of other organizations, pinned at their first use, and what those said they read.
# The file is JSON for its owner alone. Who may write to it decides who is trusted.

#' Where keys are pinned unless a client names another file.
#' @noRd
default_pins_file <- function() {
    named <- Sys.getenv("VANTAGE6_R_PINS_FILE")
    if (named != "") named else file.path(tools::R_user_dir("vtg", "data"), "pins.json")
}

Pins <- R6Class("Pins",
    public = list(
        initialize = function(path, server) {
            private$path <- path
            private$server <- server
        },

        find = function(organization_id) {
            private$read()$servers[[private$server]][[as.character(organization_id)]]
        },

        # The key to use for an organization, given the one that the server shows; the first one
        # is pinned.
        trusted_key = function(organization_id, shown, name) {
            key <- load_public_key(shown)
            pin <- self$find(organization_id)
            if (is.null(pin)) {
                private$keep(organization_id, list(key = shown, name = name))
                return(key)
            }
            pinned <- load_public_key(pin$key)
            if (fingerprint(pinned) != fingerprint(key)) {
                private$keep(organization_id, utils::modifyList(pin, list(offered = shown)))
                fail("key_changed", "The server shows another public key of '", pin$name,
                     "' (organization ", organization_id, ") than the one that was pinned: ",
                     fingerprint(key), " instead of ", fingerprint(pinned), ". It is not used until ",
                     "you have asked the organization and confirmed it: client$confirmKey(",
                     organization_id, ", fingerprint)")
            }
            pinned
        },

        # Trust the key that was shown last, given its fingerprint as the organization told it.
        confirm = function(organization_id, expected) {
            pin <- self$find(organization_id)
            if (is.null(pin$offered)) {
                fail("encryption_error", "The server has shown no other key of organization ",
                     organization_id, " than the pinned one")
            }
            found <- fingerprint(load_public_key(pin$offered))
            if (tolower(gsub("[[:space:]:]", "", expected)) != found) {
                fail("encryption_error", "The key that the server shows of organization ",
                     organization_id, " has another fingerprint: ", found)
            }
            private$keep(organization_id, list(key = pin$offered, name = pin$name))
        },

        remember_statement = function(organization_id, text) {
            pin <- self$find(organization_id)
            if (!identical(pin$capabilities, text)) {
                pin$capabilities <- text
                private$keep(organization_id, pin)
            }
        },

        # Pin the key of our own organization: who has its private half asks nobody.
        hold = function(organization_id, own, name) {
            pin <- self$find(organization_id)
            if (is.null(pin) || fingerprint(load_public_key(pin$key)) != fingerprint(load_public_key(own))) {
                private$keep(organization_id, list(key = own, name = name))
            }
        }
    ),
    private = list(
        path = NULL,
        server = NULL,

        read = function() {
            if (!file.exists(private$path)) {
                return(list(version = 1, servers = list()))
            }
            content <- tryCatch(
                jsonlite::fromJSON(private$path, simplifyVector = FALSE),
                error = function(error) NULL
            )
            if (!identical(content$version, 1L)) {
                # to begin anew in silence would be to trust whatever the server shows next
                fail("encryption_error", private$path, " does not hold pinned keys any more; bring ",
                     "it back from a backup, or delete it to trust the keys that the server shows next")
            }
            content
        },

        keep = function(organization_id, pin) {
            content <- private$read()
            content$servers[[private$server]][[as.character(organization_id)]] <- pin
            dir.create(dirname(private$path), recursive = TRUE, showWarnings = FALSE, mode = "0700")
            partial <- tempfile("pins", dirname(private$path))
            before <- Sys.umask("077")
            on.exit(Sys.umask(before))
            writeLines(write_json(content), partial, useBytes = TRUE)
            if (!file.rename(partial, private$path)) {
                fail("encryption_error", "The pinned keys could not be written to ", private$path)
            }
        }
    )
)
