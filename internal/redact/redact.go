// Package redact owns the rule of what never leaves the appliance in a log line, an error text or a shown setting,
// and hides it.
//
// Two things are hidden. Values of keys that name something private (password, token, api_key, secret, authorization,
// credit_card, ssn, phone, email, driver id), at any depth of maps, structs, lists, URLs, headers and text. And what
// gives itself away in free text: e-mail addresses, bearer and basic credentials, the password of a URL, card numbers.
//
// The package is apart because the logger, the HTTP face and the configuration apply the same rule. It keeps no state,
// owns no goroutine and takes no lock.
package redact

import (
	"strings"
	"unicode"
)

// Mask stands where something was hidden.
const Mask = "***REDACTED***"

// Redactor hides private values. The zero value is ready, and any number of goroutines may use it.
type Redactor struct{}

// A key is private when its last words are one of terms. Words after them that only say in which form the value is
// (qualifiers) do not matter, nor do trailing numbers: `user_email`, `email_address`, `X-API-Key` and `password2` are
// private, `token_count`, `email_queue` and `phone_model` are not.
var (
	terms = [][]string{
		{"password"},
		{"token"},
		{"api", "key"},
		{"secret"},
		{"authorization"},
		{"credit", "card"},
		{"ssn"},
		{"phone"},
		{"email"},
		{"driver", "id"},
		// Other spellings of the same.
		{"passwd"},
		{"pwd"},
		{"passphrase"},
		{"private", "key"},
		{"cookie"},
		{"credential"},
		{"apikey"},
		{"creditcard"},
		{"driverid"},
		{"telephone"},
		{"e", "mail"},
		{"social", "security"},
		{"card", "number"},
		{"cardnumber"},
		{"emailaddress"},
		{"phonenumber"},
		{"accesstoken"},
		{"authtoken"},
		{"refreshtoken"},
		{"clientsecret"},
		{"privatekey"},
		{"secretkey"},
	}
	qualifiers = map[string]bool{
		"number": true, "no": true, "address": true, "value": true, "hash": true, "key": true, "header": true,
		"digest": true, "plain": true, "raw": true,
	}
)

// Key reports whether a key names something private.
func (Redactor) Key(name string) bool {
	const longest = 256 // bytes at its end are enough
	name = name[max(0, len(name)-longest):]
	var buf [8]string
	words := split(name, buf[:0])
	for len(words) > 0 {
		last := words[len(words)-1]
		if private(words) {
			return true
		}
		if !qualifiers[strings.TrimSuffix(last, "es")] && !qualifiers[singular(last)] && !number(last) {
			return false
		}
		words = words[:len(words)-1]
	}
	return false
}

// private reports whether the last words are a term.
func private(words []string) bool {
	last := singular(words[len(words)-1])
	if strings.HasSuffix(last, "password") || strings.HasSuffix(last, "passwd") {
		return true // dbpassword, oldpassword: no other word ends so
	}
	for _, t := range terms {
		n := len(t)
		if t[n-1] != last || n > len(words) || n == 2 && words[len(words)-2] != t[0] {
			continue
		}
		return true
	}
	return false
}

func singular(word string) string {
	if len(word) > 3 {
		return strings.TrimSuffix(word, "s")
	}
	return word
}

func number(word string) bool { return word != "" && word[0] >= '0' && word[0] <= '9' }

// split gives the words of a name in lower case: at everything that is no letter or digit, between letters and
// digits, and at the humps of camel case (driverID, APIKey, X-API-Key).
func split(name string, words []string) []string {
	start, prev := -1, rune(0)
	end := func(i int) {
		if start >= 0 && i > start {
			words = append(words, strings.ToLower(name[start:i]))
		}
		start = -1
	}
	for i, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end(i)
		case start < 0:
			start = i
		case unicode.IsDigit(r) != unicode.IsDigit(prev), unicode.IsUpper(r) && unicode.IsLower(prev):
			end(i)
			start = i
		case unicode.IsLower(r) && unicode.IsUpper(prev) && i-len(string(prev)) > start:
			// The last capital of a run begins the next word: API|Key.
			at := i - len(string(prev))
			end(at)
			start = at
		}
		prev = r
	}
	end(len(name))
	return words
}
