package account

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// judge demands a verdict on each of several usernames; an empty one is for names that are good.
func judge(t *testing.T, want Code, names ...string) {
	t.Helper()
	for _, name := range names {
		if have := codeOf(CheckUsername(name)); have != want {
			t.Errorf("%+q is %q, want %q", name, have, want)
		}
	}
}

// RFC 8264, section 4.2: the identifier class has neither symbols nor compatibility forms nor what is not seen.
func TestUsernamesArePRECISIdentifiers(t *testing.T) {
	judge(t, "", "mario", "Ｍａｒｉｏ", "Straße", "İlker", "ılgaz", "नमस्ते", "\u1100\u1161", "marioʼ")
	judge(t, Invalid,
		"ﬁlip", "mario²", "ⅿario", "𝐦ario", "①", "ª", "№1", "ﷺ", "ǆ", // compatibility forms
		"★", "a·b", "mario∕rossi", "a‿b", "mario…", "mario․rossi", // symbols and punctuation
		"ꥠ", "ᄀᄀ", // old Hangul jamo
		"mario\u0640", "\u302e", "ߺ", // exceptions of RFC 5892, section 2.6
		"mario\u20dd",                                                  // an enclosing mark
		"mario\U000f0000", "mario\ue000", "mario\u0378", "mario\ufdd0", // private, unassigned, no character
	)
}

// Default-ignorable characters, joiners and directions are refused wherever they stand, also where RFC 5892, appendix
// A.1, lets a joiner pass.
func TestUsernamesShowAllTheirCharacters(t *testing.T) {
	for _, r := range "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u200c\u200d\u200e" +
		"\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206f\u3164" +
		"\ufe00\ufe0f\ufeff\uffa0\ufff9\ufffb\U0001bca0\U0001d173\U000e0001\U000e0020\U000e007f\U000e0100\U000e01ef" {
		x := string(r)
		judge(t, Invalid, x, x+"mario", "mario"+x, "mar"+x+"io", "क्"+x+"ष", "नमी"+x+"ना")
	}
}

// RFC 5893, section 2.
func TestUsernamesRunOneWay(t *testing.T) {
	judge(t, "", "אבג", "אבג1", "مريم", "مريم٣", "مريم۳", "دانا")
	judge(t, Invalid, "1אבג", "אבג-", "מריםmario", "marioמרים", "mario٣", "٣٤", "مريم٣3", "مريم٣۳")
}

// Unicode Technical Standard 39, section 5.2.
func TestUsernamesAreOfOneScript(t *testing.T) {
	judge(t, "", "Ольга", "Αλέξης", "たなか田中タナカ", "カード", "か\u3099", "홍길동", "洪길동", "ㄅ注音", "مُريم", "mario_1")
	judge(t, Invalid,
		"mаrio", "Оlga", "ольгa", "marιo", "αlex", "ԼԱmario", // Latin with Cyrillic, Greek, Armenian
		"αб", "дω", // Greek with Cyrillic
		"mario名前", "かmario", "한かな", "ㄅかな",
		"marioー", "mario〆", "a\u3099", "mario\u064b", "mario\u0670", "a\u1cd0", // marks and letters of a few scripts
		"mario\u0483", "ольга\u0951ा",
	)
}

// Unicode Technical Standard 39, section 5.3.
func TestUsernamesHaveOneSetOfDigits(t *testing.T) {
	judge(t, "", "mario1990", "नम१९९०", "नम1990", "ไทย๑๒", "mario１９９０", "অ১০")
	judge(t, Invalid, "नम१9", "1नम१", "ไทย๑2", "অ১2", "नम१-2")
	for _, r := range []rune{'0', '9', '٠', '۹', '०', '९', '০', '๐', '༠', '႐', '᪀', '᪉', '᪐', '𑁦', '𞥐', '𞥙'} {
		if !oneSetOfDigits(string([]rune{r, r})) || oneSetOfDigits(string([]rune{r, '1', '᧑'})) {
			t.Errorf("%U is not of one set", r)
		}
	}
	if !oneSetOfDigits("٠١٢٣٤٥٦٧٨٩") || oneSetOfDigits("᪉᪐") || !oneSetOfDigits("𝟎𝟗") || oneSetOfDigits("𝟗𝟘") {
		t.Error("sets that are neighbours are one")
	}
}

// Unicode Technical Standard 39, section 5.4.
func TestUsernamesCarryFewMarks(t *testing.T) {
	judge(t, "", "Nguyễn", "ngu\u0323\u0302y", "a\u0301\u0302\u0303\u0304", "ကျွှေး", "שָׁלוֹם", "हिन्दी")
	judge(t, Invalid,
		"a\u0301\u0302\u0303\u0304\u0306", "\u1ec5\u0301\u0302\u0304", strings.Repeat("m\u0301\u0302\u0303\u0304\u0306", 20),
		"e\u0301\u0301", "\u00e9\u0301", "\u0301mario", "\u093eनम", "\u0e31ไทย", "mario-\u0301\u0301",
	)
}

func TestReservedNamesHaveNoLookAlikes(t *testing.T) {
	names := slices.Sorted(maps.Keys(reserved))
	for _, name := range names {
		if UsernameKey(name) != name || likeLatin.Replace(name) != name {
			t.Errorf("%s is not in canonical form", name)
		}
		wide := strings.Map(func(r rune) rune { return r + 0xfee0 }, name)
		judge(t, Reserved, name, strings.ToUpper(name), strings.ToUpper(name[:1])+name[1:], wide)
	}
	judge(t, Reserved, "ɑdmin", "ᴀᴅᴍɪɴ", "ʀoot", "һеӏр", "НЕӀР", "ѕегѵісе", "admın", "ꜱupport", "ТЕАМ", "теам")
	judge(t, "", "admina", "ádmin", "adm1n", "administrators", "me2", "ольга", "мир")
}

func TestNoUsernameLooksLikeAnID(t *testing.T) {
	judge(t, Reserved, "user_01990000-0000-7000-8000-000000000000", "USER_01990000-0000-7000-8000-00000000000A",
		"session_01990000-0000-7000-8000-000000000000")
	judge(t, "", "user_01990000", "01990000-0000-7000-8000-000000000000", "user_mario")
}

// What is unique is what was accepted: the canonical form of a good name is a good name, and its own canonical form.
func TestTheCanonicalFormOfAUsernameIsOne(t *testing.T) {
	for _, name := range []string{"Ｍａｒｉｏ", "Straße", "İlker", "ΣΊΣΥΦΟΣ", "ᾼ", "ŉ", "ǰ", "Ꭰ", "ꭰ", "ẚ", "ﾀﾅｶ"} {
		if CheckUsername(name) == nil {
			judge(t, "", UsernameKey(name))
		}
		if key := UsernameKey(name); UsernameKey(key) != key {
			t.Errorf("%+q is %+q and then %+q", name, key, UsernameKey(key))
		}
	}
}
