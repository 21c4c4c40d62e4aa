/* Functions this project does not use, because a bounded or reentrant one exists. Included by base/mem.h, so everywhere. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll strtol gmtime localtime access gets tmpnam mktemp alloca

#endif
