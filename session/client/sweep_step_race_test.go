//go:build race

package client_test

// The race detector makes a run ten times as long; every byte is for runs without it.
const defaultSweepStep = 53
