/* The combine kernel of GF(p), for one set of vector instructions. combine_prime.c includes this
 * with TARGET, the attribute that lets the compiler use them, and NAME(x), x with a suffix. */

/* sum[j] := or += the products of up to FOUR sources; `count` is a constant at each call. */
TARGET static inline __attribute__((always_inline)) void
NAME(add_products)(uint64_t *sum, const sources *s, const size_t count, bool first, size_t len)
{
    const loose *a = s->at[0], *b = s->at[1], *c = s->at[2], *d = s->at[3];
    const uint32_t ca = s->coef[0], cb = s->coef[1], cc = s->coef[2], cd = s->coef[3];
    for (size_t j = 0; j < len; j++) {
        uint64_t products = (uint64_t)ca * a[j];
        if (count > 1)
            products += (uint64_t)cb * b[j];
        if (count > 2)
            products += (uint64_t)cc * c[j];
        if (count > 3)
            products += (uint64_t)cd * d[j];
        sum[j] = first ? products : sum[j] + products;
    }
}

TARGET static void
NAME(add_sources)(uint64_t *sum, const sources *s, bool first, size_t len)
{
    if (s->count == 1)
        NAME(add_products)(sum, s, 1, first, len);
    else if (s->count == 2)
        NAME(add_products)(sum, s, 2, first, len);
    else if (s->count == 3)
        NAME(add_products)(sum, s, 3, first, len);
    else
        NAME(add_products)(sum, s, 4, first, len);
}

/* dst := or += sum mod p */
TARGET static void
NAME(store_sums)(const kofn_modulus *m, const uint64_t *sum, bool first, size_t len, loose *dst)
{
    const kofn_modulus here = *m; // dst may alias anything
    if (first)
        for (size_t j = 0; j < len; j++)
            dst[j] = kofn_modulus_reduce_64(&here, sum[j]);
    else
        for (size_t j = 0; j < len; j++) {
            const uint32_t both = dst[j] + kofn_modulus_reduce_64(&here, sum[j]);
            dst[j] = both < here.p ? both : both - here.p;
        }
}

/* Result o in one row, columns [at, at + len). */
TARGET static void
NAME(combine_panel)(const kofn_modulus *m, const kofn_combination *c, size_t o, size_t row,
                    size_t at, size_t len)
{
    const uint64_t product = (uint64_t)(m->p - 1) * (m->p - 1);
    const uint64_t most = UINT64_MAX / product - UINT64_MAX / product % FOUR;
    uint64_t sum[PANEL], summed = 0; // sources in sum
    bool first = true;               // nothing is in dst
    sources s = {0};
    loose *dst =
        (loose *)((unsigned char *)c->dst[o] + (c->rows > 1 ? row * c->dst_stride[o] : 0)) + at;

    for (size_t i = 0; i < c->ins; i++) {
        if (!c->src[i] || c->coef[o * c->ins + i] == 0)
            continue;
        s.at[s.count] = (const loose *)((const unsigned char *)c->src[i] +
                                        (c->rows > 1 ? row * c->src_stride[i] : 0)) +
                        at;
        s.coef[s.count++] = (uint32_t)c->coef[o * c->ins + i];
        if (s.count < FOUR)
            continue;
        NAME(add_sources)(sum, &s, summed == 0, len);
        summed += FOUR;
        s.count = 0;
        if (summed == most) {
            NAME(store_sums)(m, sum, first, len, dst);
            first = false;
            summed = 0;
        }
    }
    if (s.count == 1 && s.coef[0] == 1 && summed == 0 && first) { // a copy
        memcpy(dst, s.at[0], len * sizeof *dst);
        return;
    }
    if (s.count > 0)
        NAME(add_sources)(sum, &s, summed == 0, len);
    if (s.count > 0 || summed > 0)
        NAME(store_sums)(m, sum, first, len, dst);
    else if (first)
        memset(dst, 0, len * sizeof *dst);
}

TARGET static void
NAME(combine)(const kofn_modulus *m, const kofn_combination *c)
{
    for (size_t row = 0; row < c->rows; row++)
        for (size_t at = 0; at < c->len; at += PANEL) {
            const size_t len = c->len - at < PANEL ? c->len - at : PANEL;
            for (size_t o = 0; o < c->outs; o++)
                if (c->dst[o])
                    NAME(combine_panel)(m, c, o, row, at, len);
        }
}

#undef TARGET
#undef NAME
