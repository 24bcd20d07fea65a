# The authenticated envelope: encrypted for one organization, signed by another, and bound to one
# occasion. docs/reference/envelope.md of the project describes it; the tests hold its examples.

CHUNK <- 1048576L
CHUNKS <- 4^(3:12)
OVERHEAD <- 20L
MAX_HEADER <- 8192L
MAX_ID <- 2^53 - 1
SIGNATURE_LABEL <- c(charToRaw("vantage6-envelope-2"), as.raw(0))
DIGEST_LABEL <- c(charToRaw("vantage6-envelope-digest-2"), as.raw(0))
ALGORITHMS <- list(content = "AES-256-GCM", key = "RSA-OAEP-SHA256", signature = "RSA-PSS-SHA256")
CONTEXT_FIELDS <- list(
    input = c("collaboration_id", "direction", "image", "nonce", "recipient", "sender"),
    result = c("collaboration_id", "direction", "image", "input_digest", "nonce", "recipient",
               "result_id", "sender", "task_id")
)

#' Whether a text says that it is one of ours; what is wrong with it shows when it is taken apart.
#' @noRd
is_authenticated_envelope <- function(text) is.character(text) && isTRUE(startsWith(text, "2$"))

malformed <- function() {
    fail("encryption_error", "The payload is not an authenticated envelope, or damaged")
}

refusal <- function() {
    fail("encryption_error", "The envelope was changed, or is not from its sender")
}

#' The one spelling of JSON that digests are made of: sorted, without spaces.
#' @noRd
canonical_json <- function(value) {
    sorted <- function(value) {
        if (is.list(value) && !is.null(names(value))) {
            value <- value[order(names(value), method = "radix")]
        }
        if (is.list(value)) lapply(value, sorted) else value
    }
    charToRaw(write_json(sorted(value)))
}

#' The occasion of an input.
#' @noRd
input_context <- function(collaboration_id, image, sender, recipient, nonce = new_nonce()) {
    list(direction = "input", collaboration_id = collaboration_id, image = canonical_image(image),
         sender = sender, recipient = recipient, nonce = nonce)
}

new_nonce <- function() hexadecimal(openssl::rand_bytes(16))

#' Put a payload into an envelope.
#'
#' `content_key` and `seed` are arguments for the tests alone.
#' @noRd
seal <- function(data, context, own_key, recipient_key, chunk = CHUNK,
                 content_key = as.vector(openssl::rand_bytes(AES_KEY_BYTES)), wrapped = NULL) {
    require_strength(own_key)
    require_strength(recipient_key)
    header <- canonical_json(list(
        algorithms = ALGORITHMS, chunk = chunk, context = context,
        key = encode64(wrapped %||% rsa_wrap(recipient_key, content_key)),
        recipient_key = fingerprint(recipient_key), sender_key = fingerprint(own_key), v = 2
    ))
    check_header(header)
    frames <- seal_frames(data, chunk, content_key, sha256(header))
    tags <- as.raw(unlist(lapply(frames, function(frame) as.integer(utils::tail(frame, BLOCK)))))
    signature <- rsa_sign(own_key, statement(header, tags))
    body <- as_text(frames)
    paste("2", encode64(header), body, encode64(signature), sep = "$")
}

seal_frames <- function(data, chunk, key, header_digest) {
    count <- max(1L, as.integer(ceiling(length(data) / chunk)))
    lapply(seq_len(count) - 1L, function(index) {
        is_last <- index == count - 1L
        from <- index * chunk
        piece <- data[from + seq_len(min(chunk, length(data) - from))]
        prefix <- big_endian(length(piece) + BLOCK + is_last * 2^31, 4L)
        c(prefix, gcm_seal(piece, key, frame_nonce(index, is_last), header_digest))
    })
}

#' Full frames are a multiple of three bytes, so each can be encoded by itself.
#' @noRd
as_text <- function(frames) paste(vapply(frames, encode64, ""), collapse = "")

frame_nonce <- function(index, is_last) c(raw(7), big_endian(index, 4L), as.raw(is_last))

statement <- function(header, tags) sha256(c(SIGNATURE_LABEL, sha256(header), tags))

envelope_digest <- function(envelope) {
    sha256_hex(c(DIGEST_LABEL, sha256(envelope$raw_header), envelope$signature))
}

#' Take a text apart; nothing of it is proven.
#' @noRd
parse_envelope <- function(text) {
    parts <- strsplit(text, "$", fixed = TRUE)[[1]]
    if (length(parts) != 4 || parts[[1]] != "2" || nchar(parts[[2]]) > 2 * MAX_HEADER) {
        malformed()
    }
    decoded <- tryCatch(lapply(parts[-1], decode64), error = function(error) malformed())
    names(decoded) <- c("raw_header", "body", "signature")
    if (length(decoded$signature) < 256 || length(decoded$signature) > 2048) {
        malformed()
    }
    header <- check_header(decoded$raw_header)
    frames <- split_frames(decoded$body, header$chunk)
    list(raw_header = decoded$raw_header, header = header, frames = frames,
         signature = decoded$signature)
}

#' Read a header, and refuse every spelling of it but the one.
#' @noRd
check_header <- function(raw) {
    values <- tryCatch(
        from_json(rawToChar(raw)),
        error = function(error) malformed()
    )
    fields <- c("algorithms", "chunk", "context", "key", "recipient_key", "sender_key", "v")
    if (!is.list(values) || !setequal(names(values), fields) || length(raw) > MAX_HEADER) {
        malformed()
    }
    sound <- identical(values$v, 2L) && identical(values$algorithms, ALGORITHMS) &&
        is.numeric(values$chunk) && values$chunk %in% CHUNKS &&
        is_hex(values$sender_key, 64) && is_hex(values$recipient_key, 64) &&
        is.character(values$key) && is_context(values$context)
    if (!sound || !identical(canonical_json(values), raw)) {
        malformed()
    }
    values
}

is_hex <- function(text, size) {
    is.character(text) && length(text) == 1 && grepl(sprintf("^[0-9a-f]{%d}$", size), text)
}

is_id <- function(value) {
    is.numeric(value) && length(value) == 1 && !is.na(value) && value >= 1 && value <= MAX_ID && value == floor(value)
}

is_context <- function(context) {
    direction <- if (is.list(context)) context$direction
    fields <- if (is.character(direction)) CONTEXT_FIELDS[[direction]]
    if (is.null(fields) || !setequal(names(context), fields) || anyDuplicated(names(context))) {
        return(FALSE)
    }
    texts <- c("direction", "image", "nonce", "input_digest")
    all(vapply(context[setdiff(fields, texts)], is_id, NA)) &&
        is_hex(context$nonce, 32) && is.character(context$image) && nchar(context$image) <= 1000 &&
        is_canonical_image(context$image) &&
        (direction == "input" || is_hex(context$input_digest, 64))
}

split_frames <- function(body, chunk) {
    full <- chunk + OVERHEAD
    count <- ceiling(length(body) / full)
    rest <- length(body) - (count - 1) * full - OVERHEAD
    if (count < 1 || rest < 0 || (rest == 0 && count > 1)) {
        malformed()
    }
    lapply(seq_len(count), function(at) {
        frame <- body[((at - 1) * full + 1):min(at * full, length(body))]
        prefix <- big_endian(length(frame) - 4L + (at == count) * 2^31, 4L)
        if (!identical(utils::head(frame, 4L), prefix)) {
            malformed()
        }
        frame[-(1:4)]
    })
}

#' Who sent an envelope, also one for somebody else; its payload stays sealed.
#' @noRd
verify_envelope <- function(envelope, sender_key) {
    require_strength(sender_key)
    if (envelope$header$sender_key != fingerprint(sender_key)) {
        fail("encryption_error", "The envelope was signed with another key than the sender's")
    }
    tags <- as.raw(unlist(lapply(envelope$frames, function(frame) as.integer(utils::tail(frame, BLOCK)))))
    if (!is_signed(sender_key, statement(envelope$raw_header, tags), envelope$signature)) {
        refusal()
    }
}

#' The payload of an envelope. The private key is used only after the signature is right.
#' @noRd
open_envelope <- function(envelope, own_key, sender_key) {
    require_strength(own_key)
    if (envelope$header$recipient_key != fingerprint(own_key)) {
        fail("encryption_error", "The envelope was made for another key")
    }
    verify_envelope(envelope, sender_key)
    key <- rsa_unwrap(own_key, decode64(envelope$header$key))
    if (length(key) != AES_KEY_BYTES) {
        # go on with a random one, so that all refusals are alike
        key <- as.vector(openssl::rand_bytes(AES_KEY_BYTES))
    }
    header_digest <- sha256(envelope$raw_header)
    count <- length(envelope$frames)
    pieces <- lapply(seq_len(count), function(at) {
        gcm_open(envelope$frames[[at]], key, frame_nonce(at - 1L, at == count), header_digest)
    })
    if (any(vapply(pieces, is.null, NA))) {
        refusal()
    }
    do.call(c, pieces)
}

#' Compare the context of an opened envelope with what is expected of it.
#' @noRd
require_context <- function(envelope, expected) {
    for (field in names(expected)) {
        if (!isTRUE(all.equal(envelope$header$context[[field]], expected[[field]], tolerance = 0))) {
            fail("encryption_error", "its ", field, " differs")
        }
    }
}
