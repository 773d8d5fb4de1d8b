package wire

import "time"

// MaxNumber is the largest number of the wire, 2^53-1: what every language holds exactly.
const MaxNumber = 1<<53 - 1

// maxDigits is how many digits MaxNumber has.
const maxDigits = 16

// parseNumber reads a number in its only form (HF1-BAT-04).
func parseNumber(b []byte) (uint64, *parseError) {
	if len(b) == 0 || len(b) > maxDigits || b[0] == '0' && len(b) > 1 {
		return 0, errNumber
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		n = n*10 + uint64(c-'0')
	}
	if n > MaxNumber {
		return 0, errNumber
	}
	return n, nil
}

// Millis writes a duration as the wire has it, in whole milliseconds.
func Millis(d time.Duration) uint64 { return uint64(d.Milliseconds()) }

// Duration reads a duration of the wire. A year is the most that is taken, so that no sum
// overflows.
func Duration(millis uint64) time.Duration {
	const year = 365 * 24 * 3600 * 1000
	return time.Duration(min(millis, year)) * time.Millisecond
}

func isAlnum(c byte) bool { return isLower(c) || isDigit(c) || c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
