// Package audit is an audit of what the environment names: the host, the image, the
// boot. It runs on any check.Test: TestHost, TestImage and TestVM are a thin layer
// over it, and so is bootaudit audit.
//
//	func TestHost(t *testing.T) { audit.Door{}.Host(checktest.Of(t)) }
package audit
