# What several tests share.

bytes_of <- function(hex) {
    if (nchar(hex) == 0) raw(0) else as.raw(strtoi(substring(hex, seq(1, nchar(hex), 2), seq(2, nchar(hex), 2)), 16L))
}

# The examples that hold for all languages; they are beside the package in a checkout.
vectors <- function() {
    path <- Sys.getenv("VTG_VECTORS")
    skip_if(path == "", "VTG_VECTORS does not name the examples of the envelope")
    jsonlite::fromJSON(path, simplifyVector = FALSE)
}

key_cache <- new.env()

# Making a key takes long enough to make few of them.
test_key <- function(name) {
    if (is.null(key_cache[[name]])) key_cache[[name]] <- openssl::rsa_keygen(2048)
    key_cache[[name]]
}

key_file <- function(key) {
    path <- tempfile(fileext = ".pem")
    openssl::write_pem(key, path)
    path
}

environment_of_run <- function(input, data = data.frame(x = c(1, 2, 4)), ...) {
    folder <- tempfile("run")
    dir.create(folder)
    paths <- file.path(folder, c("input", "output", "token", "data.csv"))
    writeBin(if (is.raw(input)) input else charToRaw(input), paths[[1]])
    file.create(paths[[2]])
    utils::write.csv(data, paths[[4]], row.names = FALSE)
    c(INPUT_FILE = paths[[1]], OUTPUT_FILE = paths[[2]], TOKEN_FILE = paths[[3]],
      DATABASE_URI = paths[[4]], ...)
}

answer_of <- function(environment) {
    path <- environment[["OUTPUT_FILE"]]
    readBin(path, "raw", file.size(path))
}
