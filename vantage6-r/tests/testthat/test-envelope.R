envelope_text <- function(example) {
    paste("2", example$header, example$body, example$signature, sep = "$")
}

test_that("the examples are opened, made again and named", {
    all <- vectors()
    keys <- lapply(all$keys, openssl::read_key)
    for (example in all$envelopes) {
        sender <- keys[[as.character(example$context$sender)]]
        recipient <- keys[[as.character(example$context$recipient)]]
        envelope <- parse_envelope(envelope_text(example))
        payload <- bytes_of(example$payload)
        expect_identical(open_envelope(envelope, recipient, sender$pubkey), payload)
        expect_identical(envelope_digest(envelope), example$digest)
        made <- seal(payload, example$context, sender, recipient$pubkey, chunk = example$chunk,
                     content_key = bytes_of(example$content_key), wrapped = decode64(example$wrapped_key))
        parts <- strsplit(made, "$", fixed = TRUE)[[1]]
        expect_identical(parts[[2]], example$header)
        expect_identical(parts[[3]], example$body)
    }
})

test_that("fingerprints are those of the examples", {
    all <- vectors()
    for (id in names(all$keys)) {
        expect_identical(fingerprint(openssl::read_key(all$keys[[id]])), all$fingerprints[[id]])
    }
})

test_that("the example of a statement is genuine, and no other is", {
    all <- vectors()
    key <- openssl::read_key(all$keys[["3"]])$pubkey
    text <- all$capability$statement
    expect_true(genuine_statement(text, key, 3)$reads_authenticated)
    expect_null(genuine_statement(text, key, 2))
    expect_null(genuine_statement(text, test_key("other")$pubkey, 3))
    expect_null(genuine_statement(sub("A", "B", text, fixed = TRUE), key, 3))
})

test_that("payloads of all sizes around a frame come back", {
    sender <- test_key("sender")
    recipient <- test_key("recipient")
    context <- input_context(1, "a/b:1", 2, 3)
    for (size in c(0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000)) {
        data <- as.vector(openssl::rand_bytes(size))
        text <- seal(data, context, sender, recipient$pubkey, chunk = 64)
        expect_true(is_authenticated_envelope(text))
        expect_identical(open_envelope(parse_envelope(text), recipient, sender$pubkey), data)
    }
})

test_that("a flipped bit anywhere is refused, and so is another key", {
    sender <- test_key("sender")
    recipient <- test_key("recipient")
    text <- seal(charToRaw("twelve bytes"), input_context(1, "a/b:1", 2, 3), sender, recipient$pubkey)
    parts <- strsplit(text, "$", fixed = TRUE)[[1]]
    for (part in 2:4) {
        bytes <- decode64(parts[[part]])
        for (at in c(1, length(bytes) %/% 2, length(bytes))) {
            changed <- bytes
            changed[[at]] <- xor(changed[[at]], as.raw(1))
            forged <- replace(parts, part, encode64(changed))
            expect_error(
                open_envelope(parse_envelope(paste(forged, collapse = "$")), recipient, sender$pubkey),
                class = "vtg_encryption_error"
            )
        }
    }
    envelope <- parse_envelope(text)
    expect_error(open_envelope(envelope, sender, sender$pubkey), "made for another key")
    expect_error(open_envelope(envelope, recipient, recipient$pubkey), "another key than the sender's")
})

test_that("frames cannot be left out or change places", {
    key <- test_key("sender")
    text <- seal(raw(192), input_context(1, "a/b:1", 2, 3), key, key$pubkey, chunk = 64)
    parts <- strsplit(text, "$", fixed = TRUE)[[1]]
    frames <- split(decode64(parts[[3]]), rep(1:3, each = 84))
    for (order in list(c(1, 3), c(2, 1, 3), c(1, 2))) {
        body <- encode64(unlist(frames[order], use.names = FALSE))
        forged <- paste(replace(parts, 3, body), collapse = "$")
        expect_error(open_envelope(parse_envelope(forged), key, key$pubkey), class = "vtg_encryption_error")
    }
})

test_that("the private key is not used before the signature is right", {
    key <- test_key("sender")
    text <- seal(raw(1), input_context(1, "a/b:1", 2, 3), key, key$pubkey)
    envelope <- parse_envelope(text)
    envelope$signature[[9]] <- xor(envelope$signature[[9]], as.raw(4))
    used <- FALSE
    local_mocked_unwrap <- function(...) used <<- TRUE
    original <- rsa_unwrap
    namespace <- environment(open_envelope)
    unlockBinding("rsa_unwrap", namespace)
    assign("rsa_unwrap", local_mocked_unwrap, namespace)
    on.exit(assign("rsa_unwrap", original, namespace))
    expect_error(open_envelope(envelope, key, key$pubkey), "was changed, or is not from its sender")
    expect_false(used)
})

test_that("headers in another spelling are refused", {
    key <- test_key("sender")
    text <- seal(raw(1), input_context(1, "a/b:1", 2, 3), key, key$pubkey)
    header <- rawToChar(decode64(strsplit(text, "$", fixed = TRUE)[[1]][[2]]))
    for (change in list(c("\"v\":2", "\"v\":2.0"), c("\"v\":2", "\"v\":3"), c("{", "{ "),
                        c("\"v\":2", "\"v\":2,\"w\":1"), c("GCM", "CTR"), c("\"input\"", "\"other\""))) {
        changed <- sub(change[[1]], change[[2]], header, fixed = TRUE)
        expect_error(check_header(charToRaw(changed)), class = "vtg_encryption_error")
    }
})

test_that("GCM agrees with the second test vector of NIST with additional data", {
    # SP 800-38D's example 16 (AES-256): key, nonce, additional data, plain text, tag
    key <- bytes_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
    nonce <- bytes_of("cafebabefacedbaddecaf888")
    additional <- bytes_of("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain <- bytes_of(paste0(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    ))
    sealed <- gcm_seal(plain, key, nonce, additional)
    expect_identical(hexadecimal(utils::tail(sealed, 16)), "76fc6ece0f4e1768cddf8853bb2d551b")
    expect_identical(gcm_open(sealed, key, nonce, additional), plain)
    expect_null(gcm_open(sealed, key, nonce, additional[-1]))
})

test_that("signatures and wrapped keys do not fit another message or key", {
    key <- test_key("sender")
    other <- test_key("recipient")
    digest <- sha256(charToRaw("words"))
    signature <- rsa_sign(key, digest)
    expect_true(is_signed(key$pubkey, digest, signature))
    expect_false(is_signed(key$pubkey, sha256(charToRaw("other words")), signature))
    expect_false(is_signed(other$pubkey, digest, signature))
    expect_false(is_signed(key$pubkey, digest, raw(256)))
    expect_false(is_signed(key$pubkey, digest, signature[-1]))
    secret <- as.vector(openssl::rand_bytes(32))
    wrapped <- rsa_wrap(key$pubkey, secret)
    expect_identical(rsa_unwrap(key, wrapped), secret)
    expect_null(rsa_unwrap(other, wrapped))
    expect_null(rsa_unwrap(key, as.raw(rep(255, 256))))
})

test_that("the classic envelope comes back, and one for another key does not", {
    key <- test_key("sender")
    for (size in c(0, 1, 100)) {
        data <- as.vector(openssl::rand_bytes(size))
        text <- classic_seal(data, key$pubkey)
        expect_true(is_classic_envelope(text))
        expect_identical(classic_open(text, key), data)
        expect_error(classic_open(text, test_key("recipient")), "encrypted for another key")
    }
})

test_that("keys that are too short are refused", {
    expect_error(require_strength(openssl::rsa_keygen(1024)), "1024 bits")
})

test_that("names of images are written out in full", {
    expect_identical(canonical_image("average"), "docker.io/library/average:latest")
    expect_identical(canonical_image("user/average:1"), "docker.io/user/average:1")
    expect_identical(canonical_image("localhost/a"), "localhost/a:latest")
    expect_identical(canonical_image("registry.example:5000/a/b:1"), "registry.example:5000/a/b:1")
    digest <- paste0("@sha256:", strrep("0", 64))
    expect_identical(canonical_image(paste0("index.docker.io/a", digest)), paste0("docker.io/library/a", digest))
    for (wrong in c("", "A", "a b", "User/a", "a:", "a@sha256:0")) {
        expect_error(canonical_image(wrong), "not the name of a container image")
    }
})
