run <- function(environment, pkg = "") run_algorithm(pkg, environment)

define <- function(name, value) {
    assign(name, value, globalenv())
}

test_that("a federated function gets the data and its arguments", {
    define("RPC_scaled", function(data, by, plus = 0) sum(data$x) * by + plus)
    on.exit(rm("RPC_scaled", envir = globalenv()))
    for (input in c("json.{\"method\":\"scaled\",\"args\":[2],\"kwargs\":{\"plus\":1}}",
                    "{\"method\":\"scaled\",\"master\":false,\"kwargs\":{\"by\":2,\"plus\":1}}",
                    "json.{\"method\":\"scaled\",\"args\":[2,1],\"kwargs\":[]}")) {
        environment <- environment_of_run(input)
        expect_output(run(environment), "Calling RPC_scaled")
        expect_identical(rawToChar(answer_of(environment)), "json.15")
    }
})

test_that("the answer is in the format that was asked for, else in that of the input", {
    define("RPC_echo", function(data, value) value)
    on.exit(rm("RPC_echo", envir = globalenv()))
    asked <- environment_of_run("json.{\"method\":\"echo\",\"args\":[1],\"output_format\":\"RDS\"}")
    expect_output(run(asked))
    expect_identical(from.payload(answer_of(asked), allow.rds = TRUE), 1L)
    spelled <- environment_of_run("json.{\"method\":\"echo\",\"kwargs\":{\"value\":1,\"data_format\":\"rds\"}}")
    expect_output(run(spelled))
    expect_identical(payload_format(answer_of(spelled)), "rds")
    input <- to.payload(list(method = "echo", master = FALSE, args = list(1L), kwargs = list()), "rds")
    like <- environment_of_run(input, ALLOW_PICKLE = "true")
    expect_output(run(like))
    expect_identical(payload_format(answer_of(like)), "rds")
    wrong <- environment_of_run("json.{\"method\":\"echo\",\"args\":[1],\"output_format\":\"pickle\"}")
    expect_error(run(wrong), "cannot write; known are json, rds")
})

test_that("an input in R's own form is refused unless the node allows it", {
    input <- serialize(list(method = "echo", master = FALSE), NULL)
    for (allowed in list(character(), c(ALLOW_PICKLE = "false"))) {
        expect_error(run(c(environment_of_run(input), allowed)), "this node does not accept")
    }
})

test_that("inputs that name nothing to call are refused in a sentence", {
    cases <- list("json.{}" = "does not name a method", "json.3" = "does not name a method",
                  "json.{\"method\":7}" = "does not name a method", "json.{" = "not valid JSON",
                  "json.{\"method\":\"nothing\"}" = "no function RPC_nothing")
    for (input in names(cases)) {
        expect_error(run(environment_of_run(input)), cases[[input]])
    }
    expect_error(run(environment_of_run("json.{\"method\":\"x\"}"), "no.such.package"), "not installed")
})

test_that("only exported functions of a package can be called", {
    input <- "json.{\"method\":\"%s\",\"master\":true,\"args\":[]}"
    for (name in c("run_algorithm", "system", "base::system")) {
        expect_error(run(environment_of_run(sprintf(input, name)), "vtg"), "has no function")
    }
})

test_that("an argument is a value, never a program", {
    define("RPC_echo", function(data, value) value)
    on.exit(rm("RPC_echo", envir = globalenv()))
    environment <- environment_of_run("json.{\"method\":\"echo\",\"args\":[\"stop('run')\"]}")
    expect_output(run(environment))
    expect_identical(rawToChar(answer_of(environment)), "json.\"stop('run')\"")
})

test_that("a failure is one line without a trace, and nothing is answered", {
    define("RPC_fails", function(data) stop("line one\nline two"))
    on.exit(rm("RPC_fails", envir = globalenv()))
    environment <- environment_of_run("json.{\"method\":\"fails\"}")
    expect_output(expect_error(run(environment), "calling RPC_fails: line one line two"))
    expect_identical(answer_of(environment), raw(0))
})

test_that("neither a warning nor the call of a model shows data", {
    define("RPC_warns", function(data, ...) {
        warning("careful")
        list(call = deparse(sys.call()), model = deparse(lm(x ~ 1, data)$call))
    })
    on.exit(rm("RPC_warns", envir = globalenv()))
    environment <- environment_of_run("json.{\"method\":\"warns\",\"args\":[777]}", data.frame(x = c(123456, 234567)))
    said <- paste(capture.output(run(environment)), collapse = "\n")
    expect_match(said, "warn > careful", fixed = TRUE)
    for (shown in c(said, rawToChar(answer_of(environment)))) {
        expect_no_match(shown, "123456")
    }
})

test_that("a database that cannot be read is named without its content", {
    environment <- environment_of_run("json.{\"method\":\"x\"}")
    define("RPC_x", function(data) 1)
    on.exit(rm("RPC_x", envir = globalenv()))
    environment[["DATABASE_URI"]] <- "https://sparql.example/query"
    expect_error(run(environment), "read CSV files")
    environment[["DATABASE_URI"]] <- "/nowhere.csv"
    expect_error(run(environment), "not there")
    expect_error(run(environment["INPUT_FILE"]), "DATABASE_URI is not set")
})

test_that("the owner's threshold of rows is kept", {
    on.exit(Sys.unsetenv("DISCLOSURE_MINIMUM_ROWS"))
    expect_error(require.rows(2), "fewer than 3 usable rows")
    expect_identical(require.rows(3), 3)
    Sys.setenv(DISCLOSURE_MINIMUM_ROWS = "10")
    expect_error(require.rows(9), "fewer than 10", class = "vtg_disclosure_refused")
    Sys.setenv(DISCLOSURE_MINIMUM_ROWS = "many")
    expect_error(require.rows(9), "holds 'many'")
})

test_that("the mock runs the functions of a program on data frames", {
    define("RPC_total", function(data, column) list(total = sum(data[[column]])))
    define("grand", function(client, column) {
        sum(vapply(client$call("total", column = column), function(part) part$total, 1))
    })
    on.exit(rm("RPC_total", "grand", envir = globalenv()))
    client <- MockClient$new(list(data.frame(x = 1:3), data.frame(x = 4.5)))
    client$setUseMasterContainer()
    expect_output(expect_identical(client$call("grand", "x"), 10.5))
    client$setUseMasterContainer(FALSE)
    client$setOrganizations(2)
    expect_output(expect_identical(client$call("total", "x"), list(list(total = 4.5))))
})

test_that("errors and warnings of other functions are told without their words", {
    define("RPC_words", function(data, how) {
        switch(how,
            get = get(paste("Mr", "Smith")),
            number = { as.integer("Mr Smith"); warning("Mine"); match.fun(paste("Mr", "Smith")) },
            own = stop("There are too few rows")
        )
    })
    on.exit(rm("RPC_words", envir = globalenv()))
    said <- function(how) {
        input <- sprintf("json.{\"method\":\"words\",\"args\":[\"%s\"]}", how)
        lines <- capture.output(message <- tryCatch(run(environment_of_run(input)), error = conditionMessage))
        paste(c(lines, message), collapse = " ")
    }
    expect_match(said("own"), "calling RPC_words: There are too few rows")
    expect_match(said("get"), "in get; its text is left out")
    expect_match(said("number"), "warn > Mine.*its text is left out")
    for (how in c("get", "number")) expect_false(grepl("Smith", said(how)))
})
