// Package serial talks to a guest over its serial console.
package serial
