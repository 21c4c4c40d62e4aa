#include "base/text.h"
#include "runner/egress_priv.h"

/* RFC 8446, 4.1.2 and 5.1; RFC 6066, 3. Reads what a server would read, and is stricter where servers are known to differ: one name, no
 * empty record, nothing behind the message in its last record. */

enum {
	RECORD_HEAD = 5,
	RECORD_HANDSHAKE = 22,
	RECORD_MAX = 1 << 14,
	MESSAGE_HEAD = 4,
	MESSAGE_CLIENT_HELLO = 1,
	RANDOM_AND_VERSION = 34,
	SESSION_ID_MAX = 32,
	EXTENSION_SERVER_NAME = 0,
	NAME_HOST = 0,
};

/* Names that are hidden: Encrypted Client Hello and what came before it. Ours would be the outer one, which may be a lie. */
static const uint16_t hidden[] = {0xfe0d, 0xfd00, 0xffce, 0xff02, 0xfe08, 0xfe09, 0xfe0a, 0xfe0b, 0xfe0c};

struct bytes {
	const uint8_t *p;
	size_t len;
};

static bool take(struct bytes *b, size_t n, struct bytes *ret)
{
	if (n > b->len)
		return false;
	*ret = (struct bytes){b->p, n};
	b->p += n;
	b->len -= n;
	return true;
}

static bool take_number(struct bytes *b, size_t width, size_t *ret)
{
	struct bytes n;
	if (!take(b, width, &n))
		return false;
	*ret = 0;
	for (size_t i = 0; i < width; i++)
		*ret = *ret << 8 | n.p[i];
	return true;
}

/* A length of so many bytes, then as much. */
static bool take_vector(struct bytes *b, size_t width, struct bytes *ret)
{
	size_t n;
	return take_number(b, width, &n) && take(b, n, ret);
}

/* ServerNameList: exactly one host_name that is a host name. */
static bool read_server_name(struct bytes body, char ret[HOST_MAX + 1])
{
	struct bytes list, name;
	size_t type;
	if (!take_vector(&body, 2, &list) || body.len != 0 || !take_number(&list, 1, &type) || type != NAME_HOST ||
	    !take_vector(&list, 2, &name) || list.len != 0 || name.len == 0 || name.p[name.len - 1] == '.')
		return false;
	return egress_host_read((const char *)name.p, name.len, false, ret) == NULL;
}

static enum egress_hello_is read_extensions(struct bytes all, char ret_name[HOST_MAX + 1])
{
	enum egress_hello_is is = HELLO_NO_NAME;
	while (all.len > 0) {
		size_t type;
		struct bytes body;
		if (!take_number(&all, 2, &type) || !take_vector(&all, 2, &body))
			return HELLO_NOT_TLS;
		for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
			if (type == hidden[i])
				return HELLO_HIDDEN;
		if (type != EXTENSION_SERVER_NAME)
			continue;
		if (is == HELLO_OK)
			return HELLO_NOT_TLS; /* twice */
		if (!read_server_name(body, ret_name))
			return HELLO_NO_NAME;
		is = HELLO_OK;
	}
	return is;
}

static enum egress_hello_is read_message(struct bytes b, char ret_name[HOST_MAX + 1])
{
	struct bytes random, session, suites, compression, extensions;
	if (!take(&b, RANDOM_AND_VERSION, &random) || random.p[0] != 3 || !take_vector(&b, 1, &session) || session.len > SESSION_ID_MAX ||
	    !take_vector(&b, 2, &suites) || suites.len < 2 || suites.len % 2 != 0 || !take_vector(&b, 1, &compression) ||
	    compression.len == 0)
		return HELLO_NOT_TLS;
	if (b.len == 0)
		return HELLO_NO_NAME; /* no extensions at all */
	if (!take_vector(&b, 2, &extensions) || b.len != 0)
		return HELLO_NOT_TLS;
	return read_extensions(extensions, ret_name);
}

/* ---- records ---- */

static bool record_begins(struct egress_hello *h)
{
	size_t len = (size_t)h->head[3] << 8 | h->head[4];
	h->left = len;
	return h->head[0] == RECORD_HANDSHAKE && h->head[1] == 3 && len > 0 && len <= RECORD_MAX;
}

/* Length of the message with its head, 0: not known yet. */
static size_t message_size(const struct egress_hello *h)
{
	const uint8_t *m = (const uint8_t *)h->message.data;
	return h->message.len < MESSAGE_HEAD ? 0 : MESSAGE_HEAD + ((size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3]);
}

static enum egress_hello_is message_grew(struct egress_hello *h)
{
	size_t size = message_size(h);
	if (h->message.data[0] != MESSAGE_CLIENT_HELLO)
		return HELLO_NOT_TLS;
	if (size > LIMIT_EGRESS_HELLO_BYTES)
		return HELLO_TOO_LARGE;
	if (size == 0 || h->message.len < size)
		return HELLO_MORE;
	if (h->message.len > size || h->left > 0)
		return HELLO_NOT_TLS;
	return read_message((struct bytes){(const uint8_t *)h->message.data + MESSAGE_HEAD, size - MESSAGE_HEAD}, h->name);
}

static enum egress_hello_is take_some(struct egress_hello *h, const uint8_t *bytes, size_t len, size_t *ret_n)
{
	*ret_n = 1;
	if (h->head_len < RECORD_HEAD) {
		h->head[h->head_len++] = bytes[0];
		if (h->head[0] != RECORD_HANDSHAKE || (h->head_len > 1 && h->head[1] != 3))
			return HELLO_NOT_TLS;
		return h->head_len < RECORD_HEAD || record_begins(h) ? HELLO_MORE : HELLO_NOT_TLS;
	}
	*ret_n = len < h->left ? len : h->left;
	h->left -= *ret_n;
	if (h->left == 0)
		h->head_len = 0;
	buf_add(&h->message, bytes, *ret_n);
	return message_grew(h);
}

enum egress_hello_is egress_hello_read(struct egress_hello *h, const uint8_t *bytes, size_t len, size_t *ret_used)
{
	size_t at = 0;
	enum egress_hello_is is = HELLO_MORE;
	while (is == HELLO_MORE && at < len) {
		size_t n;
		is = take_some(h, bytes + at, len - at, &n);
		at += n;
		h->raw += n;
		if (h->raw > LIMIT_EGRESS_HELLO_BYTES)
			return HELLO_TOO_LARGE;
	}
	*ret_used = at;
	return is;
}

void egress_hello_free(struct egress_hello *h) { buf_free(&h->message); }
