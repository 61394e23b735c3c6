# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The compiled half of ``shapes_py``: same shapes, same matches; its docstring says what they are.

A shape is a tree of nodes in one array, walked along the data without an object or an allocation. A member is looked
for behind the one before it first: vendors keep an order. Every ``data[i]`` below is behind ``i < size``; that is why
bounds checking is off. Recursion is as deep as a shape, and shapes are bounded.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memset

from omniroute._speedups.bytescan_c cimport first_of, text_stop
from omniroute._speedups.jsonspan_c cimport Cursor, skip_blanks, skip_value

from collections.abc import Mapping

from omniroute._speedups import shapes_py

cdef enum:
    OBJECT
    LIST
    TEXT_LEAF
    CHOICE_LEAF
    INDEX_LEAF
    ANY_LEAF
    NULL_LEAF
    FALSE_LEAF
    TRUE_LEAF
    EMPTY_LEAF
    STASH_LEAF
    IS_LEAF

cdef enum:
    MAX_CHOICE = 255    # shapes_py
    MAX_INDEX = 65535

cdef dict KINDS = {
    "text": TEXT_LEAF, "choice": CHOICE_LEAF, "index": INDEX_LEAF, "any": ANY_LEAF, "null": NULL_LEAF,
    "false": FALSE_LEAF, "true": TRUE_LEAF, "empty": EMPTY_LEAF, "stash": STASH_LEAF, "is": IS_LEAF,
}

cdef struct Walk:
    const char* data
    Py_ssize_t size
    Py_ssize_t at
    const Node* nodes
    Match* match


cdef class Shapes:
    """See ``shapes_py.Shapes``."""

    def __init__(self, specs):
        cdef list found
        cdef int at = 0, i
        self.specs = shapes_py.Shapes(specs).specs  # the plain half says what is a shape
        self.named = []
        found = [(None, spec) for spec in self.specs]
        while at < len(found):
            found.extend(inner_of(found[at][1]))
            at += 1
        free(self.nodes)
        self.nodes = <Node*> calloc(max(len(found), 1), sizeof(Node))
        if self.nodes == NULL:
            raise MemoryError
        self.count = len(self.specs)
        free(self.steady)
        self.steady = <bint*> calloc(max(self.count, 1), sizeof(bint))
        if self.steady == NULL:
            raise MemoryError
        for i in range(self.count):
            self.steady[i] = not any([is_certain(path_taken(spec, text_path(self.specs[i]))) for spec in self.specs])
        at = self.count
        for i in range(len(found)):
            at = self.fill(&self.nodes[i], found[i][0], found[i][1], at)

    def __dealloc__(self):
        free(self.nodes)
        free(self.steady)

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(self.specs)

    def match(self, int shape, bytes data not None):
        """See ``shapes_py.Shapes.match``."""
        cdef Match found
        if not 0 <= shape < self.count:
            raise IndexError("there is no such shape")
        if not self.has(shape, data, len(data), &found):
            return None
        match = shapes_py.Match()
        match.choice, match.index = found.choice, found.index
        match.text_start, match.text_end = found.text_start, found.text_end
        match.stash = data[found.stash_start:found.stash_end]
        return match

    cdef int fill(self, Node* node, object key, object spec, int first) except -1:
        """Write a node whose members begin at ``first``; where those of the next one begin."""
        cdef int number
        cdef bytes text
        cdef list inner = inner_of(spec)
        if key is not None:
            text = key.encode()
            self.named.append(text)
            node.key = PyBytes_AS_STRING(text)
            node.key_size = len(text)
        node.first = first
        node.count = len(inner)
        if isinstance(spec, Mapping):
            node.kind = OBJECT
            for number in range(node.count):
                if shapes_py.is_required(inner[number][1]):
                    node.required |= (<uint64_t> 1) << number
        elif isinstance(spec, list):
            node.kind = LIST
        else:
            node.kind = KINDS[spec.kind]
            text = b'"' + spec.text + b'"'
            self.named.append(text)
            node.text = PyBytes_AS_STRING(text)
            node.text_size = len(text)
        return first + node.count

    cdef bint has(self, int shape, const char* data, Py_ssize_t size, Match* match) noexcept nogil:
        cdef Walk walk
        memset(match, 0, sizeof(Match))
        walk.data = data
        walk.size = size
        walk.at = skip_blanks(data, 0, size)
        walk.nodes = self.nodes
        walk.match = match
        return object_matches(&walk, &self.nodes[shape], 1) and skip_blanks(data, walk.at, size) == size


def may_hold(bytes text not None, tuple tags not None):
    """See ``shapes_py.may_hold``."""
    cdef Tag tag
    cdef bytes wanted
    for wanted in tags:
        tag.text = PyBytes_AS_STRING(wanted)
        tag.size = len(wanted)
        if tag_in(text, len(text), True, &tag, 1):
            return True
    return False


cdef list inner_of(object spec):
    """(name, shape) of what is inside an object or a list, in order; nothing is inside a leaf."""
    if isinstance(spec, Mapping):
        return list(spec.items())
    if isinstance(spec, list):
        return [(None, spec[0])]
    return []


cdef list text_path(object spec):
    """The names (0 in a list) that lead to TEXT, None where there is none."""
    for name, inner in inner_of(spec):
        if inner is shapes_py.TEXT:
            return [name]
        path = text_path(inner)
        if path is not None:
            return [name, *path]
    return None


cdef object path_taken(object spec, list path):
    """What is at the end of ``path`` in another shape, None if it does not lead there."""
    for name in path:
        spec = dict(inner_of(spec)).get(name)
    return spec


cdef bint is_certain(object spec):
    return isinstance(spec, shapes_py.Leaf) and spec.kind == "is"


cdef bint value_matches(Walk* walk, const Node* node, int depth) noexcept nogil:
    """Whether the value at ``walk.at`` (moved behind it) is what ``node`` says; ``depth`` containers are open."""
    if node.kind == OBJECT:
        return object_matches(walk, node, depth + 1)
    if node.kind == ANY_LEAF:
        return skip_any(walk, depth)
    if node.kind == TEXT_LEAF:
        return text_matches(walk)
    if node.kind == LIST:
        if not take(walk, b"[", 1):
            return False
        walk.at = skip_blanks(walk.data, walk.at, walk.size)
        if not value_matches(walk, &walk.nodes[node.first], depth + 1):
            return False
        walk.at = skip_blanks(walk.data, walk.at, walk.size)
        return take(walk, b"]", 1)
    if node.kind == NULL_LEAF:
        return take(walk, b"null", 4)
    if node.kind == IS_LEAF:
        return take(walk, node.text, node.text_size)
    if node.kind == CHOICE_LEAF:
        return number_matches(walk, &walk.match.choice, MAX_CHOICE)
    if node.kind == INDEX_LEAF:
        return number_matches(walk, &walk.match.index, MAX_INDEX)
    if node.kind == FALSE_LEAF:
        return take(walk, b"false", 5)
    if node.kind == TRUE_LEAF:
        return take(walk, b"true", 4)
    if node.kind == EMPTY_LEAF:
        return empty_matches(walk)
    walk.match.stash_start = walk.at
    if not skip_any(walk, depth):
        return False
    walk.match.stash_end = walk.at
    return True


cdef bint object_matches(Walk* walk, const Node* node, int depth) noexcept nogil:
    cdef const char* data = walk.data
    cdef Py_ssize_t size = walk.size, at = walk.at
    cdef uint64_t seen = 0
    cdef int member = 0
    if at >= size or data[at] != c"{":
        return False
    at = skip_blanks(data, at + 1, size)
    if at < size and data[at] == c"}":
        walk.at = at + 1
        return node.required == 0
    while at < size and data[at] == c'"':
        member = member_named(walk, node, at + 1, member)
        if member < 0 or (seen >> member) & 1:
            return False
        seen |= (<uint64_t> 1) << member
        at = skip_blanks(data, at + 2 + walk.nodes[node.first + member].key_size, size)
        if at >= size or data[at] != c":":
            return False
        walk.at = skip_blanks(data, at + 1, size)
        if not value_matches(walk, &walk.nodes[node.first + member], depth):
            return False
        at = skip_blanks(data, walk.at, size)
        if at >= size:
            return False
        if data[at] == c"}":
            walk.at = at + 1
            return (seen & node.required) == node.required
        if data[at] != c",":
            return False
        at = skip_blanks(data, at + 1, size)
        member += 1
    return False


cdef inline int member_named(const Walk* walk, const Node* node, Py_ssize_t at, int expected) noexcept nogil:
    """Which member of ``node`` has the name that begins at ``at``, -1 if none; ``expected`` is tried first."""
    cdef const Node* member
    cdef int _tried
    for _tried in range(node.count):
        if expected >= node.count:
            expected = 0
        member = &walk.nodes[node.first + expected]
        if (
            walk.size - at > member.key_size and walk.data[at + member.key_size] == c'"'
            and memcmp(walk.data + at, member.key, member.key_size) == 0
        ):
            return expected
        expected += 1
    return -1


cdef inline bint take(Walk* walk, const char* literal, Py_ssize_t length) noexcept nogil:
    if walk.size - walk.at < length or memcmp(walk.data + walk.at, literal, length) != 0:
        return False
    walk.at += length
    return True


cdef bint number_matches(Walk* walk, int* into, int largest) noexcept nogil:
    cdef Py_ssize_t at = walk.at
    cdef int number = 0
    cdef char byte = 0
    while at < walk.size:
        byte = walk.data[at]
        if byte < c"0" or byte > c"9":
            break
        number = number * 10 + (byte - c"0")
        at += 1
        if number > largest:
            return False
    if at == walk.at or (at - walk.at > 1 and walk.data[walk.at] == c"0"):
        return False
    if at < walk.size and (byte == c"." or byte == c"e" or byte == c"E" or byte == c"+" or byte == c"-"):
        return False
    into[0] = number
    walk.at = at
    return True


cdef bint empty_matches(Walk* walk) noexcept nogil:
    cdef Py_ssize_t at = walk.at
    if at >= walk.size:
        return False
    if walk.data[at] != c"[" and walk.data[at] != c"{":
        return take(walk, b'""', 2) or take(walk, b"null", 4)
    at = skip_blanks(walk.data, at + 1, walk.size)
    if at >= walk.size or walk.data[at] != (c"]" if walk.data[walk.at] == c"[" else c"}"):
        return False
    walk.at = at + 1
    return True


cdef inline bint ends_scalar(char byte) noexcept nogil:
    return (
        byte == c"," or byte == c"}" or byte == c"]" or byte == c" " or byte == c"\n" or byte == c"\r" or byte == c"\t"
        or byte == c":" or byte == c'"' or byte == c"{" or byte == c"["
    )


cdef bint skip_any(Walk* walk, int depth) noexcept nogil:
    cdef Cursor cursor
    cdef Py_ssize_t at = walk.at
    if at >= walk.size:
        return False
    if walk.data[at] == c'"':
        at += 1
        while True:
            at = first_of(walk.data, at, walk.size, c'"', c"\\")
            if at >= walk.size:
                return False
            if walk.data[at] == c'"':
                walk.at = at + 1
                return True
            at += 2
    if walk.data[at] == c"{" or walk.data[at] == c"[":
        memset(&cursor, 0, sizeof(Cursor))
        cursor.data = walk.data
        cursor.size = walk.size
        cursor.at = at
        if not skip_value(&cursor, depth):
            return False
        walk.at = cursor.at
        return True
    while at < walk.size and not ends_scalar(walk.data[at]):
        at += 1
    if at == walk.at:
        return False
    walk.at = at
    return True


cdef bint text_matches(Walk* walk) noexcept nogil:
    cdef Py_ssize_t end
    if walk.at >= walk.size or walk.data[walk.at] != c'"':
        return False
    end = text_end(walk.data, walk.at + 1, walk.size, &walk.match.text_escaped)
    walk.match.text_start = walk.at + 1
    walk.match.text_end = end
    walk.at = end + 1
    return end >= 0


cdef Py_ssize_t text_end(const char* data, Py_ssize_t at, Py_ssize_t size, bint* escaped) noexcept nogil:
    cdef Py_ssize_t start = at
    cdef int length
    while True:
        at = text_stop(data, at, size)
        if at >= size:
            return -1
        if data[at] == c'"':
            return at if at > start else -1
        if data[at] == c"\\":
            escaped[0] = True
            length = escape_length(data, at, size)
        else:
            length = utf8_length(<const unsigned char*> data + at, size - at)
        if length == 0:
            return -1
        at += length


cdef inline int escape_length(const char* data, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    """Of the escape whose backslash is at ``at``; 0 if it is none."""
    cdef char byte
    cdef int i
    if at + 1 >= size:
        return 0
    byte = data[at + 1]
    if byte != c"u":
        return 2 if memchr(b'"\\/bfnrt', byte, 8) != NULL else 0
    if size - at < 6:
        return 0
    for i in range(2, 6):
        byte = data[at + i]
        if not (c"0" <= byte <= c"9" or c"a" <= byte <= c"f" or c"A" <= byte <= c"F"):
            return 0
    return 6


cdef inline int utf8_length(const unsigned char* data, Py_ssize_t left) noexcept nogil:
    """Of the sequence of two to four bytes at ``data``; 0 if it is none (Unicode 15 §3.9, table 3-7)."""
    cdef unsigned char first = data[0], low = 0x80, high = 0xBF
    cdef int length, i
    if first < 0xC2:
        return 0
    if first < 0xE0:
        length = 2
    elif first < 0xF0:
        length = 3
        if first == 0xE0:
            low = 0xA0
        elif first == 0xED:
            high = 0x9F
    elif first < 0xF5:
        length = 4
        if first == 0xF0:
            low = 0x90
        elif first == 0xF4:
            high = 0x8F
    else:
        return 0
    if left < length or data[1] < low or data[1] > high:
        return 0
    for i in range(2, length):
        if data[i] & 0xC0 != 0x80:
            return 0
    return length


cdef bint tag_in(const char* text, Py_ssize_t size, bint escaped, const Tag* tags, int count) noexcept nogil:
    cdef Py_ssize_t at = 0
    if count == 0:
        return False
    if not escaped and memchr(text, c"<", size) == NULL:
        return False
    while True:
        at = first_of(text, at, size, c"<", c"\\") if escaped else first_of(text, at, size, c"<", c"<")
        if at == size:
            return False
        if text[at] == c"<":
            at += 1
        elif size - at >= 6 and memcmp(text + at, b"\\u003", 5) == 0 and (text[at + 5] == c"c" or text[at + 5] == c"C"):
            at += 6
        else:
            at += 1
            continue
        if any_agrees(text, at, size, tags, count):
            return True


cdef bint any_agrees(const char* text, Py_ssize_t at, Py_ssize_t size, const Tag* tags, int count) noexcept nogil:
    """Whether one of ``tags`` without its first character goes on as the text does at ``at``."""
    cdef Py_ssize_t i
    cdef int tag
    for tag in range(count):
        i = 1
        while i < tags[tag].size and at + i - 1 < size and text[at + i - 1] == tags[tag].text[i]:
            i += 1
        if i >= tags[tag].size or at + i - 1 >= size or text[at + i - 1] == c"\\" or text[at + i - 1] == c'"':
            return True
    return False
