# Names of images, written out in full so that they can be compared.

COMPONENT <- "[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*"
LABEL <- "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
REFERENCE <- sprintf(
    "^(?:(%s(?:\\.%s)*(?::[0-9]+)?)/)?(%s(?:/%s)*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$",
    LABEL, LABEL, COMPONENT, COMPONENT
)

canonical_image <- function(name) {
    part <- regmatches(name, regexec(REFERENCE, name, perl = TRUE))[[1]]
    if (length(part) != 5) {
        fail("error", "'", name, "' is not the name of a container image")
    }
    domain <- part[[2]]
    path <- part[[3]]
    if (domain != "" && !grepl("[.:]", domain) && domain != "localhost") {
        if (domain != tolower(domain)) {
            fail("error", "'", name, "' is not the name of a container image")
        }
        path <- paste0(domain, "/", path)
        domain <- ""
    }
    if (domain %in% c("", "index.docker.io")) {
        domain <- "docker.io"
    }
    if (domain == "docker.io" && !grepl("/", path, fixed = TRUE)) {
        path <- paste0("library/", path)
    }
    tag <- if (part[[4]] == "" && part[[5]] == "") "latest" else part[[4]]
    paste0(domain, "/", path, if (tag != "") paste0(":", tag),
           if (part[[5]] != "") paste0("@", part[[5]]))
}

is_canonical_image <- function(name) {
    identical(tryCatch(canonical_image(name), vtg_error = function(error) NULL), name)
}
