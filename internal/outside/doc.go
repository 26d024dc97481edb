// Package outside holds the test that a module of somebody else's can use what is
// exported here, and nothing else.
package outside
