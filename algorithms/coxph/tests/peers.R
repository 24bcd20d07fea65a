# What survival says of a table, with a baseline for each site and with one for all, as JSON.
# Arguments: the CSV file, and the formula without strata.
library(survival)
arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1], stringsAsFactors = TRUE)
exact <- coxph.control(eps = 1e-14, iter.max = 50, toler.chol = 1e-14)

describe <- function(fit) {
  told <- summary(fit)
  list(
    coefficients = unname(told$coefficients[, c("coef", "se(coef)", "Pr(>|z|)")]),
    log_likelihood = rev(fit$loglik),
    tests = c(told$logtest, told$waldtest, told$sctest),
    wald = unname(fit$wald.test),
    concordance = unname(fit$concordance["concordance"])
  )
}

answers <- list()
for (ties in c("efron", "breslow")) {
  common <- as.formula(arguments[2])
  site <- update(common, . ~ . + strata(site))
  fit <- coxph(common, rows, ties = ties, control = exact)
  answers[[ties]] <- list(
    common = describe(fit),
    site = describe(coxph(site, rows, ties = ties, control = exact)),
    hazard = basehaz(fit, centered = FALSE)$hazard,
    times = basehaz(fit, centered = FALSE)$time
  )
}
cat(jsonlite::toJSON(answers, digits = NA, auto_unbox = TRUE))
