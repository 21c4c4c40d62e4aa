/* Between json.c (the door) and json_get.c (strict getters): values of a cursor whose type is known. */
#ifndef BASE_JSON_PRIV_H
#define BASE_JSON_PRIV_H

#include "base/json.h"

double json_number(const struct json *j); /* JSON_NUMBER only */

#endif
