#' Average of a column over all organizations.
#'
#' @param client Reaches the organizations.
#' @param column_name A column of numbers.
#' @return `average` and `count` over all rows, and `parts`: a data frame of what each sent.
average <- function(client, column_name) {
    client$set.task.image(client$image, task.name = "average")
    # a classic central function, which starts itself in a container when it is called at a desk
    if (client$use.master.container) {
        return(client$call("average", column_name = column_name))
    }
    parts <- do.call(rbind, lapply(client$call("average_partial", column_name = column_name), as.data.frame))
    vtg::log$info("{nrow(parts)} organizations have answered")
    list(average = sum(parts$sum) / sum(parts$count), count = sum(parts$count), parts = parts)
}

#' Sum and number of the values in a column.
RPC_average_partial <- function(data, column_name) {
    # read.csv turns what is no name in R into one
    column <- data[[make.names(column_name)]]
    if (is.null(column)) {
        stop("There is no column '", column_name, "' in this database")
    }
    values <- column[!is.na(column)]
    vtg::require.rows(length(values))
    list(sum = sum(values), count = length(values))
}

#' The argument, to see what a value looks like at the other side.
RPC_echo <- function(data, value) value
