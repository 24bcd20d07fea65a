# The classic envelope, A$B$C: an AES key under RSA PKCS#1 v1.5, a counter start, and the payload
# under AES-256-CTR. It keeps secrets and proves nothing.

AES_KEY_BYTES <- 32L
CLASSIC <- "^[A-Za-z0-9+/]{170,}={0,2}\\$[A-Za-z0-9+/]{22}==\\$[A-Za-z0-9+/]*={0,2}$"

is_classic_envelope <- function(text) grepl(CLASSIC, text)

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
    parts <- lapply(strsplit(paste0(text, "$"), "$", fixed = TRUE)[[1]], decode64)
    # a wrong key may give random bytes instead of an error, so the length has to tell
    key <- tryCatch(as.vector(openssl::rsa_decrypt(parts[[1]], own_key)), error = function(error) raw(0))
    if (length(key) != AES_KEY_BYTES) {
        fail("encryption_error", "The payload was encrypted for another key")
    }
    payload <- if (length(parts) == 3) parts[[3]] else raw(0)
    aes_ctr(payload, key, parts[[2]])
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
