# The client of researchers.

Client <- R6Class("Client",
    inherit = Caller,
    public = list(
        initialize = function(host, username = "", password = "", collaboration_id = NULL,
                              organizations = NULL, api_path = "", log_level = "info", ca = NULL,
                              proxy = NULL, timeout = 120, allow.rds = FALSE, pins.file = NULL) {
            self$host <- sub("/+$", "", host)
            self$api_path <- sub("/+$", "", api_path)
            self$username <- username
            private$password <- password
            self$collaboration_id <- collaboration_id
            self$organizations <- organizations
            self$allow.rds <- isTRUE(allow.rds)
            self$log <- make_log(log_level)
            private$options <- http_options(ca, proxy, timeout)
            private$pins <- Pins$new(pins.file %||% default_pins_file(),
                                     paste0(self$host, self$api_path))
        },

        authenticate = function(username = "", password = "", mfa_code = NULL) {
            if (username != "") {
                self$username <- username
                private$password <- password
            }
            login <- list(username = self$username, password = private$password)
            if (!is.null(mfa_code)) login$mfa_code <- as.character(mfa_code)
            private$token <- NULL
            answer <- send_http("POST", paste0(self$host, self$api_path, "/token/user"), NULL,
                                login, private$options)
            reply <- parsed(require_success(answer))
            if (!is.null(reply$qr_uri)) {
                fail("two_factor_needed", "Set up your second factor first: give your authenticator ",
                     "the secret in this error's field 'qr_uri', then log in with mfa_code",
                     fields = list(qr_uri = reply$qr_uri))
            }
            private$password <- ""
            private$accept(reply)
            private$meet_user(reply$user_url)
            if (!is.null(self$collaboration_id)) {
                self$setCollaborationId(self$collaboration_id)
            }
            invisible("OK")
        },

        refresh.token = function() {
            if (!private$renew()) {
                fail("error", "There is nothing to renew; log in first, with client$authenticate()")
            }
            invisible("OK")
        },

        # Use a private key for everything that is sent and received, or none for NULL.
        setupEncryption = function(private_key) {
            if (is.null(private_key)) {
                private$key <- NULL
                return(invisible(self))
            }
            private$require_login()
            self$setPrivateKey(private_key)
            private$publish_key()
            invisible(self)
        },

        # The same without a word to the server, before or after logging in.
        setPrivateKey = function(bytes_or_filename) {
            if (is.raw(bytes_or_filename)) {
                path <- tempfile("key")
                on.exit(unlink(path))
                file.create(path)
                Sys.chmod(path, "0600")
                writeBin(bytes_or_filename, path)
                bytes_or_filename <- path
            }
            key <- load_private_key(bytes_or_filename)
            require_strength(key)
            private$key <- key
            invisible(self)
        },

        # Kept for scripts; whether a collaboration is encrypted is not for a script to say.
        setUseEncryption = function(flag) {
            if (!isTRUE(flag) && isTRUE(self$collaboration$encrypted)) {
                fail("encryption_error", "The collaboration is encrypted; nothing is sent to it in clear")
            }
            self$using_encryption <- isTRUE(flag)
            invisible(self)
        },

        getCollaborations = function() {
            private$require_login()
            path <- sprintf("/organization/%.0f/collaboration", private$organization$id)
            found <- private$ask("GET", path)
            ids <- lapply(found, function(one) vapply(one$organizations, function(o) o$id, 1))
            data.frame(
                id = vapply(found, function(one) one$id, 1),
                name = vapply(found, function(one) one$name, ""),
                encrypted = vapply(found, function(one) isTRUE(one$encrypted), NA),
                organizations = I(ids)
            )
        },

        # Fingerprint of our own public key: what partners ask for.
        fingerprint = function() {
            private$require_key()
            fingerprint(private$key)
        },

        confirmKey = function(organization_id, fingerprint) {
            private$pins$confirm(organization_id, fingerprint)
            invisible(self)
        },

        acceptClassic = function(organization_id) {
            private$pins$remember_statement(organization_id, NULL)
            invisible(self)
        }
    ),
    private = list(
        password = "",
        refresh = NULL,
        refresh_url = NULL,
        organization = NULL,
        key = NULL,
        pins = NULL,
        sent = list(),

        accept = function(reply) {
            if (is.null(reply$access_token)) {
                fail("error", reply$msg %||% "The server gave no token")
            }
            private$token <- reply$access_token
            private$refresh <- reply$refresh_token %||% private$refresh
            private$refresh_url <- reply$refresh_url %||% private$refresh_url
        },

        renew = function() {
            if (is.null(private$refresh) || !isTRUE(startsWith(private$refresh_url, "/"))) {
                return(FALSE)
            }
            url <- paste0(self$host, private$refresh_url)
            answer <- send_http("POST", url, private$refresh, list(), private$options)
            if (!is_success(answer)) {
                return(FALSE)
            }
            private$accept(parsed(answer))
            TRUE
        },

        meet_user = function(user_url) {
            id <- sub("^.*/", "", user_url)
            user <- private$ask("GET", paste0("/user/", utils::URLencode(id, reserved = TRUE)))
            private$organization <- self$getOrganization(user$organization$id)
        },

        require_login = function() {
            if (is.null(private$token)) {
                fail("error", "Log in first, with client$authenticate(username, password)")
            }
        },

        require_key = function() {
            if (is.null(private$key)) {
                fail("encryption_error", "The collaboration is encrypted; name your organization's ",
                     "private key first, with client$setupEncryption(file)")
            }
        },

        # The public half goes to the server where there is none; another one is never replaced.
        publish_key = function() {
            own <- public_key_text(private$key)
            shown <- private$organization$public_key
            if (is.null(shown) || !nzchar(shown)) {
                path <- sprintf("/organization/%.0f", private$organization$id)
                private$ask("PATCH", path, list(public_key = own))
                private$organization$public_key <- own
            } else if (fingerprint(load_public_key(shown)) != fingerprint(private$key)) {
                private$key <- NULL
                fail("encryption_error", "The server has another public key of your organization ",
                     "than the one of this private key")
            }
        },

        own_id = function() private$organization$id,

        create = function(ids, payload) {
            at_own <- self$use.master.container && private$own_id() %in% ids
            texts <- vapply(ids, function(id) private$seal_for(id, payload), "")
            body <- list(
                name = self$task.name, image = self$image, description = "",
                collaboration_id = self$collaboration_id, master = at_own,
                organizations = Map(function(id, text) list(id = id, input = text), ids, texts,
                                    USE.NAMES = FALSE)
            )
            if (!is.null(self$database)) body$database <- self$database
            task <- private$ask("POST", "/task", body)
            for (at in seq_along(ids)) {
                private$note_sent(task$id, ids[[at]], texts[[at]])
            }
            task
        },

        is_encrypted = function() {
            encrypted <- isTRUE(self$collaboration$encrypted)
            if (encrypted) {
                private$require_key()
            } else if (!is.null(private$key)) {
                # else a server could ask for everything in clear, by saying so
                fail("encryption_error", "The server says that the collaboration is not encrypted, ",
                     "but you have set up encryption; if that is right: client$setupEncryption(NULL)")
            }
            encrypted
        },

        seal_for = function(organization_id, payload) {
            if (!private$is_encrypted()) {
                return(encode64(payload))
            }
            key <- private$key_of(organization_id)
            if (!private$reads_authenticated(organization_id, key)) {
                return(classic_seal(payload, key))
            }
            context <- input_context(self$collaboration_id, self$image, private$organization$id,
                                     organization_id)
            seal(payload, context, private$key, key)
        },

        # The key that counts for an organization: the pinned one, or our own.
        key_of = function(organization_id) {
            if (organization_id == private$organization$id) {
                private$pins$hold(organization_id, public_key_text(private$key),
                                  private$organization$name)
                return(public_half(private$key))
            }
            shown <- private$shown(organization_id)
            if (is.null(shown$public_key) || !nzchar(shown$public_key)) {
                fail("encryption_error", "The organization '", shown$name, "' has no public key yet, ",
                     "so nothing can be encrypted for it")
            }
            private$pins$trusted_key(organization_id, shown$public_key, shown$name)
        },

        shown = function(organization_id) {
            for (organization in self$collaboration$organizations) {
                if (isTRUE(organization$id == organization_id)) {
                    return(organization)
                }
            }
            self$getOrganization(organization_id)
        },

        # Whether an organization says, signed with its key, that it reads authenticated envelopes.
        # What it has said is remembered, so that a server cannot take it back.
        reads_authenticated = function(organization_id, key) {
            known <- genuine_statement(private$pins$find(organization_id)$capabilities, key, organization_id)
            text <- private$shown(organization_id)$capabilities
            shown <- genuine_statement(text, key, organization_id)
            if (!is.null(known) && (is.null(shown) || shown$issued_at < known$issued_at)) {
                if (!known$reads_authenticated) {
                    return(FALSE)
                }
                fail("downgraded", "Organization ", organization_id, " has said, signed with its ",
                     "key, that it reads authenticated envelopes, and the server does not show that ",
                     "any more. If the organization says that this is right: client$acceptClassic(",
                     organization_id, ")")
            }
            if (!is.null(shown)) {
                private$pins$remember_statement(organization_id, text)
            }
            isTRUE(shown$reads_authenticated)
        },

        note_sent = function(task_id, organization_id, text) {
            if (is_authenticated_envelope(text)) {
                name <- paste(task_id, organization_id)
                private$sent[[name]] <- envelope_digest(parse_envelope(text))
            }
        },

        open_result = function(run) {
            if (!private$is_encrypted()) {
                if (is_classic_envelope(run$result) || is_authenticated_envelope(run$result)) {
                    fail("encryption_error", "The result is encrypted, but encryption is not set up here")
                }
                return(decode64(run$result))
            }
            owner <- owner_of(run)
            sent <- private$sent[[paste(task_of(run), owner)]]
            if (!is_authenticated_envelope(run$result)) {
                if (!is.null(sent) || is_authenticated_envelope(run$input)) {
                    fail("encryption_error", named(run), " is not in an authenticated envelope, ",
                         "though its input was: somebody may have put it in the place of the right one")
                }
                return(classic_open(run$result, private$key))
            }
            private$open_proven(run, owner, sent)
        },

        open_proven = function(run, owner, sent) {
            envelope <- parse_envelope(run$result)
            expected <- c(
                list(direction = "result", sender = owner, recipient = private$organization$id,
                     task_id = task_of(run), result_id = run$id),
                private$asked(run, owner, sent)
            )
            tryCatch({
                data <- open_envelope(envelope, private$key, private$key_of(owner))
                require_context(envelope, expected)
                data
            }, vtg_encryption_error = function(error) {
                fail("encryption_error", named(run), " cannot be trusted: ", conditionMessage(error))
            })
        },

        # What a result has to say of the input that it answers.
        asked = function(run, owner, sent) {
            if (!is.null(sent)) {
                return(list(input_digest = sent))
            }
            if (!is_authenticated_envelope(run$input)) {
                fail("encryption_error", named(run), " answers an input that the server does not show")
            }
            # sent by another session of our organization: our signature is on it
            input <- parse_envelope(run$input)
            verify_envelope(input, public_half(private$key))
            require_context(input, list(direction = "input", sender = private$organization$id,
                                        recipient = owner))
            context <- input$header$context
            list(input_digest = envelope_digest(input), nonce = context$nonce, image = context$image,
                 collaboration_id = context$collaboration_id)
        }
    )
)

task_of <- function(run) if (is.list(run$task)) run$task$id else run$task

named <- function(run) {
    paste0("Result ", run$id, " of task ", task_of(run), ", from organization ", owner_of(run), ",")
}
