module callreport

go 1.19
