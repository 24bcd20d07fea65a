# RSA as the envelopes need it: OAEP and PSS with SHA-256 (RFC 8017, sections 7.1 and 8.1), which
# the openssl of R has not, on its arithmetic with large numbers.

HASH_BYTES <- 32L
MIN_BITS <- 2048L
MAX_BITS <- 16384L

sha256 <- function(data) as.vector(unclass(openssl::sha256(data)))

hexadecimal <- function(data) paste(format(as.hexmode(as.integer(data)), width = 2), collapse = "")

sha256_hex <- function(data) hexadecimal(sha256(data))

numbers_of <- function(key) as.list(key)$data

#' The private key of a PEM file without a passphrase.
#' @noRd
load_private_key <- function(path) {
    if (!file.exists(path)) {
        fail("encryption_error", "There is no private key at ", path)
    }
    key <- tryCatch(openssl::read_key(path, password = function(prompt) ""), error = function(error) {
        fail("encryption_error", path, " holds no private key that can be read")
    })
    if (!inherits(key, "rsa")) {
        fail("encryption_error", "The private key in ", path, " is not an RSA key")
    }
    key
}

#' The public key in base64 of PEM, as organizations carry it.
#' @noRd
load_public_key <- function(text) {
    if (!is.character(text) || length(text) != 1 || is.na(text) || text == "") {
        fail("encryption_error", "The organization has no public key")
    }
    unreadable <- function(...) {
        fail("encryption_error", "The public key of the organization cannot be read")
    }
    pem <- tryCatch(rawToChar(openssl::base64_decode(text)), error = unreadable)
    # anything else would be taken for the name of a file
    if (!startsWith(pem, "-----BEGIN ")) {
        unreadable()
    }
    key <- tryCatch(openssl::read_pubkey(pem), error = unreadable)
    if (!inherits(key, "rsa")) {
        fail("encryption_error", "The public key of the organization is not an RSA key")
    }
    key
}

public_half <- function(key) if (inherits(key, "key")) as.list(key)$pubkey else key

public_key_text <- function(key) {
    pem <- openssl::write_pem(public_half(key))
    openssl::base64_encode(charToRaw(pem))
}

#' The name of a key, however its PEM is written: SHA-256 of its DER form.
#' @noRd
fingerprint <- function(key) sha256_hex(as.vector(openssl::write_der(public_half(key))))

#' The bytes of the modulus, the most significant first; a sign byte before them does not count.
#' @noRd
modulus_of <- function(key) {
    bytes <- as.vector(unclass(numbers_of(key)$n))
    bytes[cumsum(bytes != as.raw(0)) > 0]
}

key_bits <- function(key) {
    modulus <- modulus_of(key)
    8L * (length(modulus) - 1L) + floor(log2(as.integer(modulus[[1]]))) + 1L
}

require_strength <- function(key) {
    bits <- key_bits(key)
    if (bits < MIN_BITS || bits > MAX_BITS) {
        fail("encryption_error", "The RSA key has ", bits, " bits; ", MIN_BITS, " to ", MAX_BITS,
             " are needed")
    }
}

#' The number as so many bytes; NULL where it needs more.
#' @noRd
to_octets <- function(number, size) {
    bytes <- as.vector(unclass(number))
    bytes <- bytes[cumsum(bytes != as.raw(0)) > 0]
    if (length(bytes) > size) NULL else c(raw(size - length(bytes)), bytes)
}

raise_public <- function(bytes, key) {
    numbers <- numbers_of(key)
    openssl::bignum_mod_exp(openssl::bignum(bytes), numbers$e, numbers$n)
}

#' The private operation, blinded: its time says nothing of what it is done on.
#' @noRd
raise_private <- function(bytes, key) {
    numbers <- numbers_of(key)
    factor <- openssl::bignum(openssl::rand_bytes(modulus_bytes(key) - 1L))
    blind <- openssl::bignum_mod_exp(factor, numbers$e, numbers$n)
    value <- (openssl::bignum(bytes) * blind) %% numbers$n
    power <- openssl::bignum_mod_exp(value, numbers$d, numbers$n)
    (power * openssl::bignum_mod_inv(factor, numbers$n)) %% numbers$n
}

#' The mask of RFC 8017, appendix B.2.1.
#' @noRd
mask <- function(seed, size) {
    counters <- seq_len(ceiling(size / HASH_BYTES)) - 1
    blocks <- lapply(counters, function(counter) sha256(c(seed, big_endian(counter, 4L))))
    utils::head(as.raw(unlist(lapply(blocks, as.integer))), size)
}

#' RSA-OAEP encryption of a short secret, SHA-256 in both places, without a label.
#' @noRd
rsa_wrap <- function(key, secret, seed = openssl::rand_bytes(HASH_BYTES)) {
    size <- modulus_bytes(key)
    room <- size - 2L * HASH_BYTES - 2L - length(secret)
    stopifnot(room >= 0L)
    block <- c(sha256(raw(0)), raw(room), as.raw(1), secret)
    block <- xor(block, mask(seed, length(block)))
    seed <- xor(as.vector(seed), mask(block, HASH_BYTES))
    to_octets(raise_public(c(raw(1), seed, block), key), size)
}

#' The secret of `rsa_wrap`; NULL when it was not made for this key.
#' @noRd
rsa_unwrap <- function(key, wrapped) {
    size <- modulus_bytes(key)
    if (length(wrapped) != size || !is_below(wrapped, key)) {
        return(NULL)
    }
    padded <- to_octets(raise_private(wrapped, key), size)
    seed <- padded[1L + seq_len(HASH_BYTES)]
    block <- padded[-seq_len(HASH_BYTES + 1L)]
    seed <- xor(seed, mask(block, HASH_BYTES))
    block <- xor(block, mask(seed, length(block)))
    rest <- block[-seq_len(HASH_BYTES)]
    end <- match(TRUE, rest != as.raw(0))
    right <- padded[[1]] == as.raw(0) && !is.na(end) && rest[[end]] == as.raw(1) &&
        identical(utils::head(block, HASH_BYTES), sha256(raw(0)))
    if (right) rest[-seq_len(end)] else NULL
}

modulus_bytes <- function(key) length(modulus_of(key))

is_below <- function(bytes, key) openssl::bignum(bytes) < numbers_of(key)$n

#' RSA-PSS signature of a SHA-256 digest, with a salt of 32 bytes.
#' @noRd
rsa_sign <- function(key, digest, salt = openssl::rand_bytes(HASH_BYTES)) {
    bits <- key_bits(key) - 1L
    size <- as.integer(ceiling(bits / 8))
    salt <- as.vector(salt)
    hash <- sha256(c(raw(8), digest, salt))
    block <- c(raw(size - 2L * HASH_BYTES - 2L), as.raw(1), salt)
    block <- xor(block, mask(hash, length(block)))
    block[[1]] <- block[[1]] & top_mask(bits, size)
    to_octets(raise_private(c(block, hash, as.raw(0xbc)), key), modulus_bytes(key))
}

#' Whether the owner of a key signed a SHA-256 digest.
#' @noRd
is_signed <- function(key, digest, signature) {
    if (length(signature) != modulus_bytes(key) || !is_below(signature, key)) {
        return(FALSE)
    }
    bits <- key_bits(key) - 1L
    size <- as.integer(ceiling(bits / 8))
    padded <- to_octets(raise_public(signature, key), size)
    if (is.null(padded) || padded[[size]] != as.raw(0xbc)) {
        return(FALSE)
    }
    hash <- padded[size - HASH_BYTES - 1L + seq_len(HASH_BYTES)]
    block <- utils::head(padded, size - HASH_BYTES - 1L)
    if (any((block[[1]] & !top_mask(bits, size)) != as.raw(0))) {
        return(FALSE)
    }
    block <- xor(block, mask(hash, length(block)))
    block[[1]] <- block[[1]] & top_mask(bits, size)
    zeros <- utils::head(block, -(HASH_BYTES + 1L))
    salt <- utils::tail(block, HASH_BYTES)
    all(zeros == as.raw(0)) && block[[length(zeros) + 1L]] == as.raw(1) &&
        identical(sha256(c(raw(8), digest, salt)), hash)
}

top_mask <- function(bits, size) as.raw(bitwShiftR(255L, 8L * size - bits))
