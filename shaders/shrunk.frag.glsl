#version 330 core
// Resamples along one axis to fewer pixels.
#include "pass.glsl"
#include "catmull_rom.glsl"

uniform float pace;  // picture pixels per target pixel along the axis, above 1

void main() {
    ivec2 at = here();
    ivec2 size = textureSize(picture, 0);
    int count = axis.x > 0 ? size.x : size.y;
    float centre = start + (float(axis.x > 0 ? at.x : at.y) + 0.5) * pace;
    // The kernel widens as the picture shrinks, so that every pixel of it has its say.
    int first = max(0, int(centre - 2.0 * pace + 0.5));
    int last = min(count, int(centre + 2.0 * pace + 0.5));
    ivec2 across = at * (1 - axis);
    vec3 sum = vec3(0.0);
    float weights = 0.0;
    for (int tap = first; tap < last; ++tap) {
        float weight = catmull_rom((float(tap) - centre + 0.5) / pace);
        sum += weight * texelFetch(picture, across + tap * axis, 0).rgb;
        weights += weight;
    }
    colour = vec4(clamp(sum / weights, 0.0, 1.0) * level, 1.0);
}
