#version 330 core
// Resamples along one axis to as many pixels or more: four taps without a loop.
#include "pass.glsl"
#include "catmull_rom.glsl"

uniform float pace;  // picture pixels per target pixel along the axis, at most 1

void main() {
    ivec2 at = here();
    ivec2 size = textureSize(picture, 0);
    int count = axis.x > 0 ? size.x : size.y;
    float centre = start + (float(axis.x > 0 ? at.x : at.y) + 0.5) * pace;
    float before = floor(centre - 0.5);
    ivec4 taps = int(before) + ivec4(-1, 0, 1, 2);
    vec4 weights = catmull_rom_four(centre - 0.5 - before);
    // Beyond its edge a picture has no say.
    weights *= vec4(greaterThanEqual(taps, ivec4(0))) * vec4(lessThan(taps, ivec4(count)));
    taps = clamp(taps, 0, count - 1);
    ivec2 across = at * (1 - axis);
    mat4x3 seen = mat4x3(texelFetch(picture, across + taps.x * axis, 0).rgb,
                         texelFetch(picture, across + taps.y * axis, 0).rgb,
                         texelFetch(picture, across + taps.z * axis, 0).rgb,
                         texelFetch(picture, across + taps.w * axis, 0).rgb);
    colour = vec4(clamp(seen * weights / dot(weights, vec4(1.0)), 0.0, 1.0) * level, 1.0);
}
