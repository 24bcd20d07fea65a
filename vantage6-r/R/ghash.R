# AES-256-GCM with its tag. The openssl of R encrypts in this mode but neither makes nor checks a
# tag, so the authenticating half (NIST SP 800-38D, section 6.4) is here.
#
# A block of 16 bytes is an element of GF(2^128), with the coefficient of x^0 in the highest bit
# of the first byte. Multiplication by a fixed element is linear: a table per byte of the other
# factor, 16 of 256 elements, whose entries are added. Blocks are worked on in many lanes at once.

BLOCK <- 16L
LANES <- 4096L

zero_blocks <- function(count) matrix(raw(BLOCK * count), nrow = BLOCK)

#' An element times x.
#' @noRd
times_x <- function(element) {
    value <- as.integer(element)
    shifted <- bitwShiftR(value, 1L) + 128L * c(0L, value[-BLOCK] %% 2L)
    if (value[[BLOCK]] %% 2L) {
        shifted[[1]] <- bitwXor(shifted[[1]], 0xE1L)
    }
    as.raw(shifted)
}

#' The tables with which blocks are multiplied by an element.
#' @noRd
product_tables <- function(element) {
    powers <- zero_blocks(8L * BLOCK)
    for (bit in seq_len(8L * BLOCK)) {
        powers[, bit] <- element
        element <- times_x(element)
    }
    lapply(seq_len(BLOCK), function(byte) {
        table <- zero_blocks(1L)
        for (bit in 8:1) {
            table <- cbind(table, xor(table, rep(powers[, 8L * (byte - 1L) + bit], ncol(table))))
        }
        table
    })
}

#' Each column of `blocks` times the element of the tables.
#' @noRd
times <- function(blocks, tables) {
    product <- raw(length(blocks))
    for (byte in seq_len(BLOCK)) {
        product <- xor(product, as.vector(tables[[byte]][, as.integer(blocks[byte, ]) + 1L]))
    }
    matrix(product, nrow = BLOCK)
}

#' The sum over all columns i of block i times key^(n + 1 - i).
#' @noRd
ghash <- function(key, blocks) {
    lanes <- min(LANES, 2L^floor(log2(ncol(blocks))))
    tables <- list(product_tables(key))
    while (2L^(length(tables) - 1L) < lanes) {
        last <- tables[[length(tables)]]
        # an element times one gives the element back: its square has the next tables
        element <- times(one(), last)
        tables <- c(tables, list(product_tables(as.vector(times(element, last)))))
    }
    missing <- (-ncol(blocks)) %% lanes
    if (missing) {
        blocks <- cbind(zero_blocks(missing), blocks)
    }
    sum <- zero_blocks(lanes)
    for (start in seq(1L, ncol(blocks), by = lanes)) {
        sum <- times(sum, tables[[length(tables)]])
        sum <- matrix(xor(sum, blocks[, start:(start + lanes - 1L)]), nrow = BLOCK)
    }
    while (ncol(sum) > 1L) {
        half <- ncol(sum) %/% 2L
        level <- as.integer(log2(half)) + 1L
        upper <- times(sum[, seq_len(half), drop = FALSE], tables[[level]])
        sum <- matrix(xor(upper, sum[, half + seq_len(half)]), nrow = BLOCK)
    }
    as.vector(times(sum, tables[[1]]))
}

one <- function() matrix(c(as.raw(0x80), raw(BLOCK - 1L)), nrow = BLOCK)

as_blocks <- function(data) {
    matrix(c(data, raw((-length(data)) %% BLOCK)), nrow = BLOCK)
}

#' A whole number as bytes, the most significant first.
#' @noRd
big_endian <- function(number, size) {
    bytes <- raw(size)
    for (at in rev(seq_len(size))) {
        bytes[[at]] <- as.raw(number %% 256)
        number <- number %/% 256
    }
    bytes
}

#' The key stream of AES in counter mode over some bytes; the same both ways.
#' @noRd
aes_ctr <- function(data, key, start) {
    as.vector(openssl::aes_ctr_encrypt(data, key, start))
}

gcm_tag <- function(ciphertext, key, nonce, additional) {
    hash_key <- aes_ctr(raw(BLOCK), key, raw(BLOCK))
    sizes <- c(big_endian(8 * length(additional), 8L), big_endian(8 * length(ciphertext), 8L))
    blocks <- cbind(as_blocks(additional), as_blocks(ciphertext), as_blocks(sizes))
    aes_ctr(ghash(hash_key, blocks), key, c(nonce, big_endian(1, 4L)))
}

#' Ciphertext and tag.
#' @noRd
gcm_seal <- function(data, key, nonce, additional) {
    ciphertext <- aes_ctr(data, key, c(nonce, big_endian(2, 4L)))
    c(ciphertext, gcm_tag(ciphertext, key, nonce, additional))
}

#' What was sealed; NULL when it is not what was sealed.
#' @noRd
gcm_open <- function(sealed, key, nonce, additional) {
    size <- length(sealed) - BLOCK
    ciphertext <- utils::head(sealed, size)
    if (!identical(gcm_tag(ciphertext, key, nonce, additional), utils::tail(sealed, BLOCK))) {
        return(NULL)
    }
    aes_ctr(ciphertext, key, c(nonce, big_endian(2, 4L)))
}
