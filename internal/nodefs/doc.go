// Package nodefs makes what package io/fs calls a file system of the nodes that
// a disk's format is read as. What every format would do again is here once: the
// walk along a path, symbolic links (which stay in the image, whatever they say),
// listings that are kept, and the limits that a hostile image is held to: a folder
// that is reached by two paths, as it is in a loop, is an error.
package nodefs
