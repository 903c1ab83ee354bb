package app

// Merge adds the results of later runs to reports.
var Merge = merge
