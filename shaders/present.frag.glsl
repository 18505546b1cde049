#version 330 core
// Resamples along one axis; the presenter draws once along x and once along y.
#include "catmull_rom.glsl"

uniform sampler2D picture;  // sRGB code values, row 0 on top
uniform ivec2 axis;         // (1, 0): along x, (0, 1): along y
uniform float start;        // where the shown part begins along the axis, picture pixels
uniform float pace;         // picture pixels per target pixel along the axis
uniform ivec2 corner;       // lower left corner of the shown area in the target
uniform int flip;           // height of the area where the target's row 0 is at the bottom, else 0
uniform float level;        // factor on code values

out vec4 colour;

// Four taps without a loop: twice as fast as `shrunk` where there are no more of them.
vec3 grown(ivec2 at, float centre, int count) {
    float before = floor(centre - 0.5);
    ivec4 taps = int(before) + ivec4(-1, 0, 1, 2);
    vec4 weights = catmull_rom_four(centre - 0.5 - before);
    // Beyond its edge a picture has no say.
    weights *= vec4(greaterThanEqual(taps, ivec4(0))) * vec4(lessThan(taps, ivec4(count)));
    taps = clamp(taps, 0, count - 1);
    mat4x3 seen = mat4x3(texelFetch(picture, at + taps.x * axis, 0).rgb,
                         texelFetch(picture, at + taps.y * axis, 0).rgb,
                         texelFetch(picture, at + taps.z * axis, 0).rgb,
                         texelFetch(picture, at + taps.w * axis, 0).rgb);
    return seen * weights / dot(weights, vec4(1.0));
}

// The kernel widens as the picture shrinks, so that every pixel of it has its say.
vec3 shrunk(ivec2 at, float centre, int count) {
    float reach = max(pace, 1.0);
    int first = max(0, int(centre - 2.0 * reach + 0.5));
    int last = min(count, int(centre + 2.0 * reach + 0.5));
    vec3 sum = vec3(0.0);
    float weights = 0.0;
    for (int tap = first; tap < last; ++tap) {
        float weight = catmull_rom((float(tap) - centre + 0.5) / reach);
        sum += weight * texelFetch(picture, at + tap * axis, 0).rgb;
        weights += weight;
    }
    return sum / weights;
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy) - corner;
    if (flip > 0) at.y = flip - 1 - at.y;
    ivec2 size = textureSize(picture, 0);
    int count = axis.x > 0 ? size.x : size.y;
    int along = axis.x > 0 ? at.x : at.y;
    ivec2 across = at * (1 - axis);
    float centre = start + (float(along) + 0.5) * pace;
    vec3 seen;
    if (pace == 1.0 && fract(start) == 0.0) {
        seen = texelFetch(picture, across + int(centre) * axis, 0).rgb;  // pixel for pixel
    } else if (pace <= 1.0) {
        seen = grown(across, centre, count);
    } else {
        seen = shrunk(across, centre, count);
    }
    colour = vec4(clamp(seen, 0.0, 1.0) * level, 1.0);
}
