// Package record keeps what a VM's run leaves for people and other tools: the
// harness's log, metadata.json, the ledger's line, what was collected about
// failures, and the `vm` attribute of a test. A tool that reads them takes their
// schema from here.
//
// A write that fails never fails the run, and who has something to say does not
// wait for a disk.
package record
