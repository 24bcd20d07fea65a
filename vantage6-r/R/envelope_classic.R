# The classic envelope, A$B$C: an AES key under RSA PKCS#1 v1.5, a counter start, and the payload
# under AES-256-CTR. It keeps secrets and proves nothing.

AES_KEY_BYTES <- 32L
CLASSIC_HEAD <- "^[A-Za-z0-9+/]{170,}={0,2}\\$[A-Za-z0-9+/]{22}==$"

#' Whether a text has the form of a classic envelope; its payload is looked at when it is opened.
#' @noRd
is_classic_envelope <- function(text) {
    parts <- if (is.character(text)) strsplit(paste0(text, "$ "), "$", fixed = TRUE)[[1]]
    length(parts) == 4 && grepl(CLASSIC_HEAD, paste(parts[1:2], collapse = "$"))
}

classic_seal <- function(data, recipient_key) {
    key <- as.vector(openssl::rand_bytes(AES_KEY_BYTES))
    start <- as.vector(openssl::rand_bytes(BLOCK))
    wrapped <- as.vector(openssl::rsa_encrypt(key, recipient_key))
    parts <- list(wrapped, start, aes_ctr(data, key, start))
    paste(vapply(parts, encode64, ""), collapse = "$")
}

classic_open <- function(text, own_key) {
    if (!is_classic_envelope(text)) {
        fail("encryption_error", "The payload is not encrypted, or not in the known form")
    }
    # what stands at the end keeps an empty payload from getting lost
    parts <- lapply(strsplit(paste0(text, "$ "), "$", fixed = TRUE)[[1]][1:3], decode64)
    # a wrong key may give random bytes instead of an error, so the length has to tell
    key <- tryCatch(as.vector(openssl::rsa_decrypt(parts[[1]], own_key)), error = function(error) raw(0))
    if (length(key) != AES_KEY_BYTES) {
        fail("encryption_error", "The payload was encrypted for another key")
    }
    aes_ctr(parts[[3]], key, parts[[2]])
}

encode64 <- function(data) openssl::base64_encode(as.vector(data))

#' The bytes behind base64 text, which has to be their one spelling.
#' @noRd
decode64 <- function(text) {
    data <- openssl::base64_decode(text)
    if (encode64(data) != text) {
        fail("encryption_error", "The payload is not in base64")
    }
    data
}
