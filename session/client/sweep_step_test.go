//go:build !race

package client_test

const defaultSweepStep = 1
