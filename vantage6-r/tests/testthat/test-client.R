# The client, with a function in the place of the server.

organization <- function(id, key, capabilities = NULL) {
    list(id = id, name = paste0("org-", id), public_key = public_key_text(key), capabilities = capabilities)
}

# A client of organization 2 in a collaboration with 3, and what it knows of itself.
member <- function(encrypted = TRUE, capabilities = NULL) {
    client <- Client$new("https://server.example", api_path = "/api", pins.file = tempfile())
    inside <- client$.__enclos_env__$private
    unlockBinding("ask", inside)
    inside$organization <- organization(2, test_key("sender"))
    client$collaboration_id <- 1
    client$collaboration <- list(id = 1, encrypted = encrypted, organizations = list(
        organization(2, test_key("sender")), organization(3, test_key("recipient"), capabilities)
    ))
    client$set.task.image("a/b:1", "test")
    if (encrypted) client$setPrivateKey(key_file(test_key("sender")))
    client
}

statement_of <- function(key, id, issued_at = 1800000000, envelopes = list("classic", "authenticated")) {
    raw <- canonical_json(list(envelopes = envelopes, issued_at = issued_at, key = fingerprint(key),
                               organization_id = id, v = 1))
    signature <- rsa_sign(key, sha256(c(CAPABILITY_LABEL, raw)))
    paste("capability-1", encode64(raw), encode64(signature), sep = "$")
}

posted <- function(client, ...) {
    seen <- NULL
    client$.__enclos_env__$private$ask <- function(method, path, data = NULL) {
        seen <<- data
        list(id = 7)
    }
    client$submit(...)
    seen
}

result_for <- function(text, data = charToRaw("json.42"), task_id = 7, result_id = 9,
                       signer = test_key("recipient")) {
    input <- parse_envelope(text)
    asked <- input$header$context
    context <- list(direction = "result", collaboration_id = 1, image = asked$image, sender = 3,
                    recipient = 2, nonce = asked$nonce, task_id = task_id, result_id = result_id,
                    input_digest = envelope_digest(input))
    seal(data, context, signer, test_key("sender")$pubkey)
}

run_with <- function(result, ...) {
    list(list(id = 9, task = 7, organization = 3, status = "completed", result = result, ...))
}

test_that("a task goes out in the form that servers know", {
    body <- posted(member(encrypted = FALSE), "partial", "x", flag = TRUE)
    expect_identical(body$master, FALSE)
    expect_identical(body$collaboration_id, 1)
    expect_identical(vapply(body$organizations, function(one) one$id, 1), c(2, 3))
    input <- rawToChar(decode64(body$organizations[[1]]$input))
    expect_identical(input, paste0(
        "json.{\"method\":\"partial\",\"master\":false,\"debug\":false,\"output_format\":\"json\",",
        "\"args\":[\"x\"],\"kwargs\":{\"flag\":true}}"
    ))
    empty <- posted(member(encrypted = FALSE), "partial")
    expect_match(rawToChar(decode64(empty$organizations[[1]]$input)), "\"args\":[],\"kwargs\":{}", fixed = TRUE)
})

test_that("a central function goes to one organization", {
    client <- member(encrypted = FALSE)
    client$setUseMasterContainer()
    body <- posted(client, "central")
    expect_identical(list(body$master, body$organizations[[1]]$id, length(body$organizations)), list(TRUE, 2, 1L))
    client$setOrganizations(list("3"))
    body <- posted(client, "central")
    expect_identical(list(body$master, body$organizations[[1]]$id), list(FALSE, 3))
    client$setOrganizations(4)
    expect_error(posted(client, "central"), "Not in collaboration 1: organization 4")
})

test_that("who says, signed, that it reads ours gets it; others get the classic envelope", {
    signed <- statement_of(test_key("recipient"), 3)
    body <- posted(member(capabilities = signed), "partial")
    expect_true(is_classic_envelope(body$organizations[[1]]$input))
    text <- body$organizations[[2]]$input
    opened <- open_envelope(parse_envelope(text), test_key("recipient"), test_key("sender")$pubkey)
    expect_match(rawToChar(opened), "^json\\.")
    forged <- statement_of(test_key("sender"), 3)
    body <- posted(member(capabilities = forged), "partial")
    expect_true(is_classic_envelope(body$organizations[[2]]$input))
})

test_that("what an organization has said cannot be taken back by the server", {
    client <- member(capabilities = statement_of(test_key("recipient"), 3))
    posted(client, "partial")
    for (shown in list(NULL, statement_of(test_key("recipient"), 3, 1700000000, list("classic")))) {
        client$collaboration$organizations[[2]] <- organization(3, test_key("recipient"), shown)
        expect_error(posted(client, "partial"), class = "vtg_downgraded")
    }
    client$acceptClassic(3)
    client$collaboration$organizations[[2]] <- organization(3, test_key("recipient"))
    expect_true(is_classic_envelope(posted(client, "partial")$organizations[[2]]$input))
})

test_that("another key is refused until it is confirmed with its fingerprint", {
    client <- member()
    posted(client, "partial")
    other <- test_key("other")
    client$collaboration$organizations[[2]] <- organization(3, other)
    expect_error(posted(client, "partial"), class = "vtg_key_changed")
    expect_error(client$confirmKey(3, strrep("0", 64)), "another fingerprint")
    client$confirmKey(3, toupper(fingerprint(other)))
    expect_identical(classic_open(posted(client, "partial")$organizations[[2]]$input, other)[1:5], charToRaw("json."))
})

test_that("a damaged file of pins ends the work instead of beginning anew", {
    client <- member()
    writeLines("{", client$.__enclos_env__$private$pins$.__enclos_env__$private$path)
    expect_error(posted(client, "partial"), "bring it back from a backup")
})

test_that("a server cannot have everything in clear by saying so", {
    client <- member()
    client$collaboration$encrypted <- FALSE
    expect_error(posted(client, "partial"), "you have set up encryption")
    open <- member(encrypted = FALSE)
    open$collaboration$encrypted <- TRUE
    expect_error(posted(open, "partial"), "private key first")
    expect_error(open$setUseEncryption(FALSE), "nothing is sent to it in clear")
})

test_that("a result has to answer the input that was sent", {
    client <- member(capabilities = statement_of(test_key("recipient"), 3))
    text <- posted(client, "partial")$organizations[[2]]$input
    expect_identical(client$process.results(run_with(result_for(text))), list(42L))
    other <- posted(client, "partial")$organizations[[2]]$input
    expect_error(client$process.results(run_with(result_for(text))), "its input_digest differs")
    for (wrong in list(result_for(other, task_id = 8), result_for(other, result_id = 10))) {
        expect_error(client$process.results(run_with(wrong)), "differs")
    }
    expect_error(client$process.results(run_with(result_for(other, signer = test_key("other")))), "cannot be trusted")
    classic <- classic_seal(charToRaw("json.42"), test_key("sender")$pubkey)
    expect_error(client$process.results(run_with(classic)), "not in an authenticated envelope")
})

test_that("a result of another session is proven by the input that the server shows", {
    text <- posted(member(capabilities = statement_of(test_key("recipient"), 3)), "partial")$organizations[[2]]$input
    later <- member()
    expect_identical(later$process.results(run_with(result_for(text), input = text)), list(42L))
    expect_error(later$process.results(run_with(result_for(text))), "the server does not show")
    forged <- seal(raw(1), input_context(1, "a/b:1", 2, 3), test_key("other"), test_key("recipient")$pubkey)
    expect_error(later$process.results(run_with(result_for(forged), input = forged)), "cannot be trusted|another key")
})

# What a server shows of a task, in the place of what it should.
shows <- function(client, runs) {
    client$.__enclos_env__$private$ask <- function(method, path, data = NULL) runs
}

test_that("the answers of another task are not those of this one, whatever the server says", {
    client <- member(capabilities = statement_of(test_key("recipient"), 3))
    client$setOrganizations(3)
    first <- posted(client, "partial")$organizations[[1]]$input
    posted(client, "partial")
    of_the_first <- run_with(result_for(first, task_id = 7), input = first)
    shows(client, of_the_first)
    expect_error(client$results(list(id = 8)), "its task_id differs")
})

test_that("an organization that was asked is not left out in silence", {
    client <- member(encrypted = FALSE)
    posted(client, "partial")
    run <- function(id, organization) {
        list(id = id, task = 7, organization = organization, status = "completed", result = encode64(to.payload(id)))
    }
    for (runs in list(list(run(1, 2)), list(run(1, 2), run(2, 2)), list(run(1, 2), run(2, 3), run(3, 4)))) {
        shows(client, runs)
        expect_error(client$results(list(id = 7)), "one result for each organization")
    }
    shows(client, list(run(1, 3), run(2, 2)))
    expect_identical(client$results(list(id = 7)), list(1L, 2L))
})

test_that("a reason begins with what went wrong", {
    front <- "info > a\nwarn > Error encountered while calling mean: "
    expect_identical(reason_in(paste0(front, "InputError: no column\n")), "InputError: no column")
    subtask <- "Task 7 failed at organization 2 (crashed): InputError: no column"
    expect_identical(reason_in(paste0(front, "TaskFailed: ", subtask)), subtask)
    expect_identical(reason_in("TaskFailed: other words"), "TaskFailed: other words")
    expect_null(reason_in(NULL))
})

test_that("a task that failed says where and why", {
    client <- member(encrypted = FALSE)
    runs <- list(
        list(id = 2, task = 7, organization = 3, status = "crashed", result = "", log = "a\nerror > no rows\n"),
        list(id = 1, task = 7, organization = 2, status = "completed", result = encode64(charToRaw("json.1")))
    )
    expect_error(client$process.results(runs), "failed at org-3: no rows", class = "vtg_task_failed")
    classic <- list(list(id = 1, task = 7, organization = 3, result = encode64(to.payload(list(error = "no rows")))))
    expect_error(client$process.results(classic), "org-3: no rows")
    empty <- list(list(id = 1, task = 7, organization = 3, result = "", log = NULL))
    expect_error(client$process.results(empty), "org-3: no result")
})

test_that("results come in the order of their runs", {
    runs <- lapply(3:1, function(id) {
        list(id = id, task = 7, organization = 3, status = "completed", result = encode64(to.payload(id)))
    })
    expect_identical(member(encrypted = FALSE)$process.results(runs), list(1L, 2L, 3L))
})

test_that("R's own form is asked for only where its answer would be read", {
    client <- member(encrypted = FALSE)
    client$data_format <- "RDS"
    expect_error(posted(client, "partial"), "allow.rds = TRUE")
    client$allow.rds <- TRUE
    input <- decode64(posted(client, "partial", y ~ x)$organizations[[1]]$input)
    expect_identical(payload_format(input), "rds")
    expect_identical(from.payload(input, allow.rds = TRUE)$output_format, "rds")
})

test_that("a path of the server cannot become a part of its name", {
    client <- Client$new("https://server.example", pins.file = tempfile())
    expect_error(client$GET(".evil.example/", prefix.api.path = FALSE), "begins with '/'")
    client$.__enclos_env__$private$refresh <- "secret"
    client$.__enclos_env__$private$refresh_url <- ".evil.example/"
    expect_error(client$refresh.token(), "nothing to renew")
})

test_that("nothing is asked of a server before it is clear what", {
    client <- Client$new("https://server.example", pins.file = tempfile())
    expect_error(client$call("x"), "Choose a collaboration first")
    expect_error(client$getCollaborations(), "Log in first")
    expect_error(client$setupEncryption("key.pem"), "Log in first")
    expect_error(client$setCollaborationId("one"), "whole number")
    expect_error(Client$new("https://server.example", ca = "/nowhere.crt"), "no file with certificates")
})

test_that("a server that is away is named, not its words", {
    client <- Client$new("http://127.0.0.1:9", pins.file = tempfile())
    expect_error(client$authenticate("user", "a secret"), "127.0.0.1:9/token/user does not answer",
                 class = "vtg_connection_error")
})

test_that("a log fills in what stands in the program, and nothing else", {
    log <- make_log("debug")
    name <- "x"
    expect_message(log$info("1 + 1 = {1 + 1}, {name}"), "1 + 1 = 2, x", fixed = TRUE)
    text <- paste("{stop('run')}")
    expect_message(log$info(text), "{stop('run')}", fixed = TRUE)
    log$set_threshold("error")
    expect_silent(log$warn("nobody hears this"))
})
