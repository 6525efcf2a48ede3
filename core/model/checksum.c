/* CRC-32C, see file.h. */
#include "core/model/file.h"

/* table[k][b] is what byte b adds when k more bytes follow it (Kounavis and Berry 2005). */
void reel__crc_begin(reel__crc *crc)
{
    crc->value = 0xffffffffu;
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t r = b;
        for (int bit = 0; bit < 8; bit++) r = r >> 1 ^ (r & 1 ? 0x82f63b78u : 0);
        crc->table[0][b] = r;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            crc->table[k][b] = crc->table[k - 1][b] >> 8 ^ crc->table[0][crc->table[k - 1][b] & 255];
}

void reel__crc_add(reel__crc *crc, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint32_t r = crc->value, (*table)[256] = crc->table;
    for (; size >= 8; size -= 8, p += 8) {
        r ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        r = table[7][r & 255] ^ table[6][r >> 8 & 255] ^ table[5][r >> 16 & 255] ^ table[4][r >> 24] ^ table[3][p[4]] ^
            table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; size > 0; size--, p++) r = r >> 8 ^ table[0][(r ^ *p) & 255];
    crc->value = r;
}

uint32_t reel__crc_end(const reel__crc *crc) { return ~crc->value; }
