package jsonpeek

import (
	"bytes"
	"strconv"
	"strings"
)

// maxExponent bounds the output of Decimal. Without it, a number of a few bytes could have a gigabyte of digits.
const maxExponent = 1000

// Decimal writes a JSON number without an exponent: 80e-1 is "8" and "", 1.50e1 is "15" and "". whole has no leading zeros
// and fraction no trailing zeros. whole includes a minus sign, except for zero. Decimal returns false if raw is not a
// number, or if its exponent is over 1000 in either direction.
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
