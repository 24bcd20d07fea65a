json <- function(value) rawToChar(to.payload(value)[-(1:5)])

test_that("numbers lose no digit", {
    numbers <- c(0.1, 1 / 3, pi, 1e22, 2^53, -2^53 + 1, 5e-324, 1.7976931348623157e308, 1e-300, 123456.789)
    expect_identical(from.payload(to.payload(numbers)), numbers)
    expect_identical(json(0.1), "0.1")
    expect_identical(json(100000), "100000")
    expect_identical(json(.Machine$integer.max), "2147483647")
})

test_that("what JSON has no word for becomes null", {
    expect_identical(json(c(1, NA, NaN, Inf, -Inf)), "[1,null,null,null,null]")
    expect_identical(json(c(TRUE, NA)), "[true,null]")
    expect_identical(json(c("NA", NA)), "[\"NA\",null]")
    expect_identical(json(list(a = NULL)), "{\"a\":null}")
})

test_that("vectors of one element are that element, unless they are in a box", {
    expect_identical(json(list(a = 1, b = I(1), c = "x", d = I("x"))), "{\"a\":1,\"b\":[1],\"c\":\"x\",\"d\":[\"x\"]}")
    expect_identical(json(c(a = 1)), "{\"a\":1}")
    expect_identical(json(list()), "[]")
    expect_identical(json(character(0)), "[]")
})

test_that("texts are escaped", {
    text <- "a\"b\\c\n\t\u0001 \u00e9\u20ac"
    expect_identical(from.payload(to.payload(text)), text)
    expect_identical(json("a\u0001"), "\"a\\u0001\"")
})

test_that("a data frame travels as records", {
    frame <- data.frame(n = c(1.5, NA), s = c("a", NA), f = factor(c("u", "v")), i = 1:2, b = c(TRUE, NA))
    expect_identical(
        json(frame),
        "[{\"n\":1.5,\"s\":\"a\",\"f\":\"u\",\"i\":1,\"b\":true},{\"n\":null,\"s\":null,\"f\":\"v\",\"i\":2,\"b\":null}]"
    )
    back <- from.payload(to.payload(frame))
    frame$f <- as.character(frame$f)
    expect_equal(back, frame)
    expect_identical(json(frame[0, ]), "[]")
})

test_that("dates, factors, formulas and matrices are plain on the wire", {
    expect_identical(json(as.Date("2026-01-31")), "\"2026-01-31\"")
    expect_identical(json(as.POSIXct("1970-01-01", tz = "UTC")), "\"1970-01-01T00:00:00Z\"")
    expect_identical(json(y ~ x + z), "\"y ~ x + z\"")
    expect_identical(json(matrix(1:4, 2)), "[[1,3],[2,4]]")
    expect_identical(from.payload(to.payload(matrix(c(1, 2, 3, 4.5), 2))), matrix(c(1, 2, 3, 4.5), 2))
    expect_identical(json(matrix(1:2, 2)), "[[1],[2]]")
})

test_that("a mixed list stays one: no number is turned into text", {
    expect_identical(from.payload(charToRaw("json.[\"time\",3]")), list("time", 3L))
    expect_identical(from.payload(charToRaw("[[1,2],[3]]")), list(c(1L, 2L), 3L))
})

test_that("whole numbers that R cannot hold come as text", {
    expect_identical(from.payload(charToRaw("[9007199254740993]")), "9007199254740993")
})

test_that("what cannot be put into JSON is refused", {
    expect_error(to.payload(mean), class = "vtg_payload_error")
    expect_error(to.payload(1i), "class complex")
    expect_error(to.payload(list(a = 1, a = 2)), "not unique")
    expect_error(to.payload(list(a = 1, 2)), "missing or not unique")
    expect_error(to.payload(1, "xml"), "known are json, rds")
})

test_that("payloads that are no JSON are refused in a sentence", {
    expect_error(from.payload(charToRaw("json.{")), "not valid JSON")
    expect_error(from.payload(charToRaw("json.[NaN]")), "not valid JSON")
    expect_error(from.payload(as.raw(c(0x7b, 0xff))), "not valid JSON")
    expect_error(from.payload(as.raw(c(0x7b, 0x00))), "not valid JSON")
    expect_error(from.payload(raw(0)), "empty")
    expect_error(from.payload(as.raw(c(0x80, 4, 0x95))), "pickle of Python")
    expect_error(from.payload(charToRaw("xml.<a/>")), "format 'xml'")
})

test_that("R's own form is read only where that is allowed, with or without its name", {
    value <- list(a = 1:3, b = "x")
    file <- tempfile()
    saveRDS(value, file)
    forms <- list(to.payload(value, "rds"), serialize(value, NULL),
                  readBin(file, "raw", file.size(file)), c(charToRaw("RDS."), serialize(value, NULL)))
    for (form in forms) {
        expect_error(from.payload(form), "allow.rds = TRUE")
        expect_identical(from.payload(form, allow.rds = TRUE), value)
    }
    expect_error(from.payload(charToRaw("rds.nonsense"), allow.rds = TRUE), "cannot be read")
})

test_that("nothing of a hostile payload runs when it is refused", {
    # a promise in a serialized object is forced by whoever looks at it (CVE-2024-27322)
    marker <- tempfile()
    delayedAssign("bomb", file.create(marker))
    payload <- c(charToRaw("rds."), serialize(environment(), NULL))
    expect_error(from.payload(payload), class = "vtg_payload_error")
    expect_false(file.exists(marker))
})

test_that("a payload that is the name of a file, or an address, is not followed", {
    file <- tempfile(fileext = ".json")
    writeLines("{\"method\": \"secret\"}", file)
    for (text in c(file, paste0("file://", file), "http://127.0.0.1:9/x", "")) {
        expect_error(from.payload(charToRaw(paste0("json.", text))), "not valid JSON", class = "vtg_payload_error")
    }
    expect_error(vtg:::from_json(file), "not JSON")
})
