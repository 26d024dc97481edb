package vmtest

// Every is for tests outside the package.
var Every = every
