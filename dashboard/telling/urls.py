from django.urls import path

from dashboard.telling import deliveries, editor, matrix, mutes

urlpatterns = [
    path("", matrix.matrix, name="notifications"),
    path("save", matrix.save, name="save_matrix"),
    path("destinations", editor.destinations, name="destinations"),
    path("destinations/new", editor.edit, name="new_destination"),
    path("destinations/new/preview", editor.show_preview, name="preview_new_destination"),
    path("destinations/<int:pk>", editor.edit, name="destination"),
    path("destinations/<int:pk>/preview", editor.show_preview, name="preview_destination"),
    path("destinations/<int:pk>/test", editor.test, name="test_destination"),
    path("destinations/<int:pk>/rotate", editor.rotate, name="rotate_secret"),
    path("destinations/<int:pk>/switch", editor.switch, name="switch_destination"),
    path("destinations/<int:pk>/remove", editor.remove, name="remove_destination"),
    path("deliveries", deliveries.deliveries, name="deliveries"),
    path("deliveries/replay", deliveries.replay_all, name="replay_all"),
    path("deliveries/<int:pk>", deliveries.delivery, name="delivery"),
    path("deliveries/<int:pk>/replay", deliveries.replay, name="replay"),
    path("deliveries/<int:pk>/now", deliveries.send_now, name="send_now"),
    path("told/<int:pk>", deliveries.told, name="told"),
    path("quiet", mutes.quiet, name="quiet"),
    path("mutes", mutes.mute, name="mute"),
    path("mutes/<int:pk>/end", mutes.unmute, name="unmute"),
]
