"""The site: pages, pictures, and what makes and checks them."""
