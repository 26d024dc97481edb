// Package nbd is the client of a network block device that is read: what is needed
// to look into a disk image through qemu-nbd. What the server says is bounded, as
// the image that it reads may be hostile.
package nbd
