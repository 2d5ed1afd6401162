package jsonpeek

import (
	"bytes"
	"strconv"
	"strings"
)

// maxExponent bounds what Decimal spells out: a number with a larger exponent is a few bytes and a gigabyte of digits.
const maxExponent = 1000

// Decimal spells a JSON number out without an exponent: 80e-1 is "8" and "", 1.50e1 is "15" and "". whole has no
// superfluous zero in front and fraction none at the end. A minus sign is in whole; zero has none. It reports false for
// what is not a number, and for an exponent past 1000.
func Decimal(raw []byte) (whole, fraction string, ok bool) {
	if len(raw) == 0 || KindOf(raw) != KindNumber {
		return "", "", false
	}
	if end, problem := skipNumber(raw, 0); problem != "" || end != len(raw) {
		return "", "", false
	}
	mantissa, exponent := raw, 0
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		n, err := strconv.Atoi(string(raw[i+1:]))
		if mantissa = raw[:i]; err != nil || n < -maxExponent || n > maxExponent {
			return "", "", false
		}
		exponent = n
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	before, after, _ := strings.Cut(string(mantissa), ".")
	digits, point := before+after, len(before)+exponent
	if point < 0 {
		digits, point = strings.Repeat("0", -point)+digits, 0
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	whole, fraction = strings.TrimLeft(digits[:point], "0"), strings.TrimRight(digits[point:], "0")
	if whole == "" {
		whole = "0"
	}
	if whole == "0" && fraction == "" {
		sign = ""
	}
	return sign + whole, fraction, true
}
